"""How every stage grows with the corpus: memory, processor time and bytes from 50 clips to 5000.

Songs of the built-in band are cut, transposed and made softer at random, so that no two recordings
are alike, and go through all stages but the last, each in a process of its own. Prints a table and
draws it: *peak* is what the system counts as resident, of worker processes too, with pages of
mapped files, which it takes back when others need them; *own* is without these; both are looked at
thirty times a second. Processor time depends on other work on the machine by tens of percents.
``reference`` hears all of the corpus, which takes hours of 5000 clips: ``--heard`` says up to how
many it is tried. For one long recording: ``bench/long_recording.py``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import yaml
from option_types import above_zero, at_least, new_file  # type: ignore[import-not-found]

from soundloom.audio.files import write_audio
from soundloom.band.mix import perform
from soundloom.common.params import flattened, parse_yaml, read_params, with_keys
from soundloom.figures.canvas import figure_at

REPOSITORY = Path(__file__).resolve().parents[1]
# What each stage writes that grows with the music.
STAGES = {
    "download": ["data/raw"], "explore": [], "split": ["data/split.json"],
    "spectrogram": ["data/spectrogram"], "pairs": ["data/pairs"], "train": [], "generate": [],
    "reference": ["data/reference"], "evaluate": [], "report": [],
}  # fmt: skip
HEARING = ("reference", "evaluate", "report")  # and what needs its outputs
RATE_HZ = 22_050
N_SONGS, SONG_SECONDS = 20, 60.0


class Cost(NamedTuple):
    """What a stage took."""

    peak_mb: float
    own_mb: float
    processor_seconds: float
    written_mb: float
    n_files: int


def main() -> None:
    """Print a table, a row a stage, and draw it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=at_least(1), nargs="+", default=[50, 500, 5000])
    parser.add_argument("--seconds", type=above_zero, default=6.0, help="length of each clip")
    parser.add_argument("--full", action="store_true", help="models of the project's own sizes")
    parser.add_argument(
        "--heard",
        type=at_least(0),
        default=500,
        metavar="CLIPS",
        help="most that are evaluated",
    )
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=list(STAGES), help="no others, in order"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--plot", type=new_file, help="a picture (PNG) of memory and time")
    arguments = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    small = {} if arguments.full else flattened(read_params(REPOSITORY / "tests/params.yaml"))
    params = with_keys(
        read_params(REPOSITORY / "params.yaml"),
        {
            **small,
            "dataset.source": "folder",
            "dataset.folder.path": "songs",
            "dataset.clip_seconds": arguments.seconds,
            "train.listen_every": 0,
            **{key: parse_yaml(value) for key, value in changes.items()},
        },
    )
    costs = []
    for n_clips in arguments.clips:
        with tempfile.TemporaryDirectory(prefix="soundloom-scale-") as folder:
            project = Path(folder)
            shutil.copy(REPOSITORY / "dvc.yaml", project)
            (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
            write_clips(project / "songs", n_clips, arguments.seconds)
            heard = n_clips <= arguments.heard
            costs.append(dict[str, Cost]())
            for stage in arguments.stages:
                if heard or stage not in HEARING:
                    costs[-1][stage] = run_stage(stage, project)
                    print(f"{n_clips} clips, {stage}: {costs[-1][stage]}", file=sys.stderr)
    print(f"{' · '.join(map(str, arguments.clips))} clips of {arguments.seconds} s\n")
    print("| stage | own MB | peak MB | processor s | written MB | files |")
    print("|---|--:|--:|--:|--:|--:|")
    for stage in arguments.stages:
        columns = zip(*(cost[stage] for cost in costs if stage in cost), strict=True)
        cells = [" · ".join(f"{value:.4g}" for value in column) for column in columns] or [""] * 5
        print(f"| `{stage}` | {cells[1]} | {cells[0]} | {' | '.join(cells[2:])} |")
    if arguments.plot:
        draw(arguments.plot, arguments.clips, costs)


def write_clips(folder: Path, n_clips: int, seconds: float) -> None:
    """As many recordings, from a few songs."""
    folder.mkdir()
    songs = [perform(0, number, SONG_SECONDS, RATE_HZ) for number in range(min(N_SONGS, n_clips))]
    rng, length = np.random.default_rng(0), round(seconds * RATE_HZ)
    for number in range(n_clips):
        song = songs[number % len(songs)]
        speed, gain = 2.0 ** rng.uniform(-0.25, 0.25), rng.uniform(0.5, 1.0)
        first = rng.uniform(0, len(song) - length * speed)
        places = first + speed * np.arange(length)
        samples = gain * np.interp(places, np.arange(len(song)), song)
        write_audio(folder / f"{number:05d}.wav", samples.astype(np.float32), RATE_HZ)


def run_stage(stage: str, folder: Path, source: Path = REPOSITORY / "src") -> Cost:
    """Run a stage in ``folder``."""
    unset = ("PYTHONPATH", "DVC_ROOT")
    child = subprocess.Popen(
        [sys.executable, str(source / "stage.py"), stage],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in unset},
        stdout=subprocess.DEVNULL,
    )
    most = {"VmRSS": 0, "RssAnon": 0}
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        for name, size in memory_of(child.pid).items():
            most[name] = max(most[name], size)
        time.sleep(1 / 30)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{stage} failed in {folder}, with status {child.returncode}")
    written = [
        file
        for path in STAGES[stage]
        for file in (folder / path, *(folder / path).rglob("*"))
        if file.is_file()
    ]
    return Cost(
        peak_mb=most["VmRSS"] / 1e6,
        own_mb=most["RssAnon"] / 1e6,
        processor_seconds=usage.ru_utime + usage.ru_stime,
        written_mb=sum(file.stat().st_size for file in written) / 1e6,
        n_files=len(written),
    )


def memory_of(pid: int) -> dict[str, int]:
    """Bytes that a process and its worker processes have now, by the names of Linux."""
    found = {"VmRSS": 0, "RssAnon": 0}
    with suppress(psutil.NoSuchProcess):
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        for one in family:
            with suppress(OSError):  # gone by now
                for line in Path(f"/proc/{one}/status").read_text(encoding="ascii").splitlines():
                    name, _, value = line.partition(":")
                    if name in found:  # which a process about to end has no more
                        found[name] += int(value.split()[0]) * 1024
    return found


def draw(path: Path, n_clips: Sequence[int], costs: Sequence[dict[str, Cost]]) -> None:
    """Memory, which should be level, and processor time, which should rise as steeply as a line."""
    title = "Stages by clips of the corpus"
    with figure_at(path, title, n_columns=2) as (_, (memory, seconds)):
        for number, stage in enumerate(STAGES):
            style = {"marker": "o", "markersize": 3, "label": stage, "color": f"C{number}"}
            found = [
                (n, cost[stage]) for n, cost in zip(n_clips, costs, strict=True) if stage in cost
            ]
            places = [n for n, _ in found]
            memory.plot(places, [cost.own_mb for _, cost in found], **style)
            seconds.plot(places, [cost.processor_seconds for _, cost in found], **style)
        memory.set(ylim=(0, 1.6 * memory.get_ylim()[1]), ylabel="MB of memory of its own")
        seconds.set(yscale="log", ylabel="processor seconds")
        for axes in (memory, seconds):
            axes.set(xscale="log", xlabel="clips")
            axes.set_xticks(n_clips, [str(n) for n in n_clips])
            axes.set_xticks([], minor=True)
        memory.legend(fontsize="xx-small", ncols=3, frameon=False, loc="upper left")


if __name__ == "__main__":
    main()
