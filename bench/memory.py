"""How much memory each stage takes at its peak, with a small corpus and with a large one.

The built-in band's songs go through all stages but the last, each in a process of its own. *Peak*
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


def main() -> None:
    """Print a table, a row a stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs=2, default=[20, 80])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each clip")
    parser.add_argument("--source", type=Path, default=REPOSITORY / "src", help="code to measure")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    from params import write_params
    from soundloom.common.params import parse_yaml

    changes = dict(change.partition("=")[::2] for change in arguments.changes)
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
