"""Files made to break whoever reads them, read as the stage `download` reads them, and counted.

Real recordings of every format that is read, damaged by a seed; zips and packages with hostile
members. They are read in processes that are watched, within limits of time and memory. Prints a
table, and every failure with the file that shows it; the exit status is 1 if there are any:

- *wrong*: accepted, though not samples as promised; or refused other than by a reason in a line;
  or something was written outside the folder meant for it
- *shorter*: with --player, nothing is noted, and ffmpeg plays more of it
- *crash*, *hang* (more than --seconds), *memory* (more than --megabytes above where it began)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import select
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile
from option_types import above_zero, at_least  # type: ignore[import-not-found]

from soundloom.common.errors import run_or_exit
from soundloom.ingest.sources import files

# How they are made is shared with the tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from hostile import (
    GOOD,
    MAX_UNPACKED_BYTES,
    hostile_audio,
    hostile_package,
    hostile_zips,
    read_archive,
    read_audio,
)

AUDIO_SECONDS = 2.0
ADDRESS_SPACE_BYTES = 8 << 30

FAILURES = ("wrong", "shorter", "crash", "hang", "memory")


def main() -> None:
    """Make the files, have them read, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audio", type=at_least(0), default=1500, help="damaged audio files")
    parser.add_argument("--zips", type=at_least(0), default=300, help="hostile zips")
    parser.add_argument("--packages", type=at_least(0), default=30, help="hostile Debian packages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=above_zero, default=20.0, help="for one file")
    parser.add_argument("--megabytes", type=above_zero, default=200.0, help="for one file")
    parser.add_argument("--player", action="store_true", help="compare with what ffmpeg plays")
    parser.add_argument("--keep", type=Path, help="folder to keep the files of failures in")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from", type=int, default=0, dest="first", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read_all(arguments.read, arguments.first)
        return
    with tempfile.TemporaryDirectory() as folder:
        n_failures = report(Path(folder), arguments)
    raise SystemExit(1 if n_failures else 0)


def report(folder: Path, arguments: argparse.Namespace) -> int:
    """Print what became of the files, by kind; returns how many failures there were."""
    labels = write_all(folder, arguments)
    table: dict[str, Counter[str]] = {}
    for path, outcome in watched(folder, arguments):
        label = labels[path.name]
        result = outcome["result"]
        if result in GOOD and outcome["megabytes"] > arguments.megabytes:
            result = "memory"
        if arguments.player and result == "accepted" and path.suffix == ".audio":
            played = played_seconds(path)
            if played > outcome["seconds"] + tolerance_seconds(label):
                result, outcome["detail"] = "shorter", f"{outcome['seconds']} of {played:.2f} s"
        table.setdefault(label.split(",")[0], Counter())[result] += 1
        if result in FAILURES:
            print(f"{result}: {label}: {path.name}: {outcome}", file=sys.stderr)
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, arguments.keep / f"{result}-{path.name}")
    total = sum(table.values(), Counter())
    print(f"| {'':24} | files | " + " | ".join((*GOOD, *FAILURES)) + " |")
    print("|---|" + "---|" * (1 + len(GOOD) + len(FAILURES)))
    for label, counts in [*sorted(table.items()), ("all", total)]:
        cells = [counts.total(), *(counts[name] for name in (*GOOD, *FAILURES))]
        print(f"| {label:24} | " + " | ".join(str(cell) for cell in cells) + " |")
    return sum(total[name] for name in FAILURES)


def write_all(folder: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """Write the files; returns what each is by its name."""
    labels = {}
    made = hostile_audio(arguments.seed, arguments.audio, AUDIO_SECONDS)
    for number, (label, content) in enumerate(made):
        path = folder / f"{number:06d}.audio"
        path.write_bytes(content)
        labels[path.name] = label
    for number, (label, content) in enumerate(hostile_zips(arguments.seed, arguments.zips)):
        path = folder / f"{number:06d}.zip"
        path.write_bytes(content)
        labels[path.name] = label
    if shutil.which("dpkg-deb"):
        for number in range(arguments.packages):
            path = folder / f"hostile{number}_1_all.deb"
            path.write_bytes(hostile_package(arguments.seed + number))
            labels[path.name] = "package, hostile tar"
    return labels


def watched(folder: Path, arguments: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every file, and what a process that may be killed for it said of it."""
    paths = sorted(folder.iterdir())
    first = 0
    while first < len(paths):
        command = [sys.executable, __file__, "--read", str(folder), "--from", str(first)]
        with subprocess.Popen(
            command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout
            started = json.loads(child.stdout.readline())  # imports take their time
            assert started == "ready"
            while first < len(paths):
                ready, _, _ = select.select([child.stdout], [], [], arguments.seconds)
                line = child.stdout.readline() if ready else b""
                yield (
                    paths[first],
                    (json.loads(line) if line else {"result": "crash" if ready else "hang"}),
                )
                first += 1
                if not line:
                    child.kill()
                    break


def read_all(folder: Path, first: int) -> None:
    """Read the files from number ``first`` on, and print a line of JSON about each."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files.MAX_UNPACKED_BYTES = MAX_UNPACKED_BYTES
    print(json.dumps("ready"), flush=True)
    for path in sorted(folder.iterdir())[first:]:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _memory_megabytes("VmRSS")
        read = read_audio if path.suffix == ".audio" else read_archive
        outcome = read(path)
        outcome["megabytes"] = round(_memory_megabytes("VmHWM") - before)
        print(json.dumps(outcome), flush=True)


def _memory_megabytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


def tolerance_seconds(label: str) -> float:
    """What is no loss: an MP3 says how many samples at its ends are padding, up to 4095 each."""
    return 0.1 + (2 * 4095 / 8_000 if "LAYER_III" in label else 0.0)


def played_seconds(path: Path) -> float:
    """How much of a file ffmpeg plays, at its rate or, if that is higher, at libsndfile's.

    They differ about headers that contradict themselves, and Opus is always played at 48 kHz.
    """
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "0:a:0", "-t", "600"]
    command += ["-ac", "1", "-f", "wav", "-c:a", "pcm_s16le", "-"]
    played = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    rate_hz = int.from_bytes(played.stdout[24:28], "little")
    with contextlib.suppress(soundfile.SoundFileError):
        rate_hz = max(rate_hz, soundfile.info(path).samplerate)
    return len(played.stdout) / 2 / rate_hz if played.stdout else 0.0


if __name__ == "__main__":
    run_or_exit(main)
