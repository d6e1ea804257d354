"""How much memory each stage takes at its peak, with a small corpus and with a large one.

The built-in band's songs go through all stages but the last, each in a process of its own; or, with
``--minutes``, one recording of noise through ``download``, a short one and a long one. *Peak*
is what the system counts as resident, with pages of mapped files, which it takes back when others
need them; *own* is without these, looked at thirty times a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "helpers"))

STAGES = (
    "download", "explore", "split", "spectrogram", "pairs", "train", "generate", "reference",
    "evaluate", "report",
)  # fmt: skip

ONE_RECORDING = {
    "dataset.source": "folder",
    "dataset.folder.path": "songs",
    "dataset.clip_seconds": 30.0,
    "dataset.min_clips": 1,
}


def main() -> None:
    """Print a table, a row a stage; or a line a recording."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs=2, default=[20, 80])
    parser.add_argument("--minutes", type=int, nargs=2, help="of one recording, for `download`")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each clip")
    parser.add_argument("--source", type=Path, default=REPOSITORY / "src", help="code to measure")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    from params import write_params
    from soundloom.common.params import parse_yaml

    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    if arguments.minutes:
        wanted = {key: parse_yaml(changes[key]) for key in changes}
        for minutes in arguments.minutes:
            folder = Path(tempfile.mkdtemp(prefix="soundloom-memory-"))
            write_params(folder, {**ONE_RECORDING, **wanted})
            write_noise(folder / "songs" / "long.flac", minutes)
            peak, own = peak_bytes(arguments.source, "download", folder)
            print(f"{minutes} minutes: peak {peak / 1e6:.0f} MB, own {own / 1e6:.0f} MB: {folder}")
        return
    found = []
    for n_clips in arguments.clips:
        folder = Path(tempfile.mkdtemp(prefix="soundloom-memory-"))
        wanted = {"dataset.builtin.n_tracks": n_clips, "dataset.clip_seconds": arguments.seconds}
        write_params(folder, {**wanted, **{key: parse_yaml(changes[key]) for key in changes}})
        found.append([peak_bytes(arguments.source, stage, folder) for stage in STAGES])
        print(f"{n_clips} clips: {folder}", file=sys.stderr)
    fewer, more = arguments.clips
    print(f"| stage | peak MB, {fewer} clips | {more} clips | own MB, {fewer} | {more} |")
    print("|---|--:|--:|--:|--:|")
    for stage, small, large in zip(STAGES, *found, strict=True):
        cells = [small[0], large[0], small[1], large[1]]
        print(f"| {stage} | {' | '.join(f'{size / 1e6:.0f}' for size in cells)} |")


def write_noise(path: Path, minutes: int) -> None:
    """A recording in stereo at 44.1 kHz, minute by minute."""
    import numpy as np
    import soundfile

    rng, rate_hz = np.random.default_rng(0), 44_100
    path.parent.mkdir()
    with soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(rng.uniform(-0.01, 0.01, (60 * rate_hz, 2)))


def peak_bytes(source: Path, stage: str, folder: Path) -> tuple[int, int]:
    """Run a stage in ``folder``: the most it took, and the most of that which was its own."""
    child = subprocess.Popen(
        [sys.executable, str(source / "stage.py"), stage],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.DEVNULL,
    )
    own = 0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            assert child.returncode == 0, f"{stage} failed in {folder}"
            return usage.ru_maxrss * 1024, own
        for line in Path(f"/proc/{child.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon"):  # which a process about to end has no more
                own = max(own, int(line.split()[1]) * 1024)
        time.sleep(1 / 30)


if __name__ == "__main__":
    main()
