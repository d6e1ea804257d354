"""How much memory ``download`` takes for one recording, a short one and a long one, of noise.

A line for each; *peak* and *own* are what they are in ``bench/scale.py``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import yaml
from option_types import at_least  # type: ignore[import-not-found]
from scale import REPOSITORY, run_stage  # type: ignore[import-not-found]

from soundloom.common.params import parse_yaml, read_params, with_keys

WANTED = {
    "dataset.source": "folder",
    "dataset.folder.path": "songs",
    "dataset.clip_seconds": 30.0,
    "dataset.min_clips": 1,
}
RATE_HZ = 44_100


def main() -> None:
    """Print a line a recording."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=at_least(1), nargs="+", default=[10, 240])
    parser.add_argument("--format", default="flac", help="the end of the file's name")
    parser.add_argument("--source", type=Path, default=REPOSITORY / "src", help="code to measure")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    own = {key: parse_yaml(value) for key, value in changes.items()}
    params = with_keys(read_params(REPOSITORY / "params.yaml"), {**WANTED, **own})
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory(prefix="soundloom-long-") as folder:
            project = Path(folder)
            (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
            write_noise(project / f"songs/long.{arguments.format}", minutes)
            cost = run_stage("download", project, arguments.source)
        print(f"{minutes} minutes: peak {cost.peak_mb:.0f} MB, own {cost.own_mb:.0f} MB")


def write_noise(path: Path, minutes: int) -> None:
    """A recording in stereo, minute by minute."""
    rng = np.random.default_rng(0)
    path.parent.mkdir()
    with soundfile.SoundFile(path, "w", RATE_HZ, 2) as file:
        for _ in range(minutes):
            file.write(rng.uniform(-0.01, 0.01, (60 * RATE_HZ, 2)))


if __name__ == "__main__":
    main()
