"""What an hour of music costs, stage by stage, in bytes and processor time: from two corpora.

Songs of the built-in band, as mp3 files, go through all stages but the last, few and many, with the
params.yaml of the working directory; each stage in a process of its own, on one core where it is
not Keras. The difference is what the hours between them cost; the rest is paid once. Times are
processor time, which other work on the machine makes longer by tens of percents, not by as much as
it takes. For memory: bench/memory.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from soundloom.audio.files import write_audio
from soundloom.band.mix import perform
from soundloom.common.parallel import each
from soundloom.common.params import parse_yaml, read_params, with_keys

REPOSITORY = Path(__file__).resolve().parents[1]
# What each stage writes that grows with the music.
STAGES = {
    "download": ["data/raw"], "split": ["data/split.json"], "spectrogram": ["data/spectrogram"],
    "pairs": ["data/pairs"], "train": [], "generate": [], "reference": ["data/reference"],
    "evaluate": [],
}  # fmt: skip
SONG_SECONDS = 60.0
EPOCHS = 2


def main() -> None:
    """Print a table, a row a stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--songs", type=int, nargs=2, default=[10, 30], help="of a minute each")
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=list(STAGES))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    wanted = {
        "dataset.source": "folder",
        "dataset.folder.path": "songs",
        "train.epochs": EPOCHS,
        "train.listen_every": 0,
        "generate.n_samples": 2,
        **{key: parse_yaml(value) for key, value in changes.items()},
    }
    params = with_keys(read_params(), wanted)
    with tempfile.TemporaryDirectory(prefix="soundloom-scale-") as folder:
        few, many = (
            measure(Path(folder, str(n_songs)), n_songs, arguments.stages, params)
            for n_songs in arguments.songs
        )
    hours = (arguments.songs[1] - arguments.songs[0]) * SONG_SECONDS / 3600
    print("| stage | MB an hour | files an hour | processor s an hour |")
    print("|---|--:|--:|--:|")
    for stage in arguments.stages:
        pairs = zip(few[stage], many[stage], strict=True)
        cells = [(more - less) / hours for less, more in pairs]
        print(f"| {stage} | {' | '.join(f'{cell:.4g}' for cell in cells)} |", flush=True)
    print(f"\nA training is of {EPOCHS} epochs.")


def measure(
    folder: Path, n_songs: int, stages: Sequence[str], params: object
) -> dict[str, tuple[float, ...]]:
    """Run ``stages`` in ``folder``: MB and files written, and processor seconds, of each."""
    (folder / "songs").mkdir(parents=True)
    each(_write_song, range(n_songs), folder / "songs", desc="songs")
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    found: dict[str, tuple[float, ...]] = {}
    for stage in stages:
        seconds = processor_seconds(stage, folder)
        files = [
            file for path in STAGES[stage] for file in (folder / path, *(folder / path).rglob("*"))
            if file.is_file()
        ]  # fmt: skip
        size = sum(file.stat().st_size for file in files)
        found[stage] = (size / 1e6, len(files), seconds)
        print(f"{n_songs} songs, {stage}: {found[stage]}", file=sys.stderr)
    return found


def processor_seconds(stage: str, folder: Path) -> float:
    """Run a stage, on one core but for Keras."""
    unset = ("PYTHONPATH", "DVC_ROOT")
    child = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "src" / "stage.py"), stage],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in unset}
        | {"LOKY_MAX_CPU_COUNT": "1"},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"{stage} failed in {folder}"
    return usage.ru_utime + usage.ru_stime


def _write_song(number: int, folder: Path) -> None:
    write_audio(folder / f"{number:03d}.mp3", perform(0, number, SONG_SECONDS, 22_050), 22_050)


if __name__ == "__main__":
    main()
