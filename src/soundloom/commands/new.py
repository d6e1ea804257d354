"""``soundloom new``: look at a folder of music, and set the params that suit it."""

from __future__ import annotations

import argparse
import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundloom.common.errors import SoundloomError

if TYPE_CHECKING:
    from soundloom.commands.suggestions import Suggestion
    from soundloom.config import Config
    from soundloom.corpus.manifest import Manifest
    from soundloom.ingest.config import DatasetConfig

HELP = "look at a folder of music, and set params.yaml to suit it"

ENOUGH_MINUTES = 15  # of music of one kind, as docs/recordings.md has it

MOST_SHOWN = 20  # reasons why files are left out

# What DVC, or a line of params.yaml, cannot hold: control characters, line ends, broken UTF-8.
_UNSUITED = {"Cc", "Cs", "Zl", "Zp"}

# Seconds of a processor: of training, for a million frames, from the base on and from nothing; of
# other stages, for each minute of music, and beside that. From the base on, six epochs of the rock
# command took 330 s, a third of them for the detail (docs/log/2026-11-27-base-on-real-music.md);
# from nothing two idle cores took 17.9 s for an epoch of it (docs/log/2026-11-26-gpu.md).
_TRAINING_SECONDS, _MINUTE_SECONDS, _REST_SECONDS = {"pretrained": 260.0, "none": 150.0}, 2.0, 300.0
# Of clips, frames and their copies in DVC's cache, and in what is known from before; of all else.
_MINUTE_MEGABYTES, _REST_MEGABYTES = 16.0, 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and what to do about edits."""
    parser.add_argument("folder", metavar="FOLDER", help="recordings, in sub-folders too")
    parser.add_argument(
        "--force", action="store_true", help="params.yaml may have edits that are not committed"
    )


def run(arguments: argparse.Namespace) -> None:
    """Say what is in the folder and what follows from it, and write params.yaml.

    The recordings are judged by gathering them, as the stage ``download`` will, into a temporary
    folder. Raises :class:`SoundloomError`: no such folder, nothing usable in it, too little for
    three parts, or edits in params.yaml that git does not have.
    """
    from soundloom.commands.params_text import with_values
    from soundloom.commands.suggestions import SHORT_WINDOWS, label_of, suggest
    from soundloom.common.io import write_text
    from soundloom.common.params import flattened, read_params
    from soundloom.common.paths import PARAMS_FILE
    from soundloom.config import Config

    folder, name = _folder(arguments.folder)
    config, values = Config.load(), flattened(read_params())
    known = config.dataset.source == "folder" and config.dataset.folder.path == folder
    source = {
        "dataset.source": "folder",
        "dataset.folder.path": folder,
        "dataset.genre": config.dataset.genre if known else _free(folder, label_of(name)),
    }

    def changed(wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``wanted`` that params.yaml does not have; none may be lost by setting them."""
        changes = {key: value for key, value in wanted.items() if values[key] != value}
        if changes and not arguments.force:
            _check_committed(changes)
        return changes

    changed(source)
    config = config.with_changes({**source, **SHORT_WINDOWS}, "params.yaml")
    manifest = _look(config.dataset)
    suggestion = suggest(manifest, config, from_base=_fits_the_base(config))
    changes = changed({**source, **suggestion.changes})
    if suggestion.config.dataset != config.dataset:
        manifest = _look(suggestion.config.dataset)
    _tell(suggestion, manifest)
    if not changes:
        print("params.yaml suits them as it is")
    else:
        write_text(PARAMS_FILE, with_values(PARAMS_FILE.read_text(encoding="utf-8"), changes))
        print("params.yaml is changed (`git checkout params.yaml` takes it back):")
        for key, value in changes.items():
            print(f"  {key:28}  {_plain(values[key])} → {_plain(value)}")
    if "MAKELEVEL" not in os.environ:  # it goes on by itself in `make repro FOLDER=…`
        print("next: make repro, and then make listen")


def _fits_the_base(config: Config) -> bool:
    """Whether frames are of the kind that the base knows: its shape is up to us, they are not."""
    from soundloom.commands.suggestions import FROM_THE_BASE

    try:
        config.with_changes(FROM_THE_BASE, "params.yaml").check_base()
    except SoundloomError:
        return False
    return True


def _folder(given: str) -> tuple[str, str]:
    """The folder as params.yaml is to name it, and its own name.

    As a path within the project where it lies there, as another clone would find it; otherwise
    absolute.
    """
    if {unicodedata.category(character) for character in given} & _UNSUITED:
        raise SoundloomError(
            f"the folder is {given!a}; a name must be UTF-8 text without line ends and other "
            "control characters: rename it"
        )
    from soundloom.common.paths import real_path

    path = Path(given).expanduser() if given.startswith("~/") else Path(given)
    path = real_path(path) if ".." in path.parts else path.absolute()
    if not given or not path.is_dir():
        raise SoundloomError(f"the folder is {given!r}; it must be an existing folder of music")
    within = path.is_relative_to(Path.cwd()) and path != Path.cwd()
    return str(path.relative_to(Path.cwd()) if within else path), path.name


def _free(folder: str, label: str) -> str:
    """``label``, or one like it: of a sub-folder of that name alone would be used."""
    while Path(folder, label).is_dir():
        label += "_"
    return label


def _check_committed(changes: Iterable[str]) -> None:
    """Refuse to change what git could not give back."""
    from soundloom.common.paths import PARAMS_FILE
    from soundloom.experiments.repository import edited_files

    if edited_files(PARAMS_FILE):
        raise SoundloomError(
            "params.yaml has edits that are not committed, and would be changed "
            f"({', '.join(changes)}): commit them, or take them back with `git checkout "
            "params.yaml`, or go on with them by `make repro`, or say --force"
        )


def _look(config: DatasetConfig) -> Manifest:
    """What the stage ``download`` would write to manifest.json."""
    from soundloom.common.paths import RAW_FOLDER
    from soundloom.ingest.gathering import gather
    from soundloom.ingest.sources import open_source

    # Beside data/raw, where there must be room for as much; `remove_leavings` knows the name.
    suffix = f".{os.getpid()}.part"
    with (
        tempfile.TemporaryDirectory(suffix, ".new.", RAW_FOLDER.parent) as clips,
        open_source(config) as collection,
    ):
        return gather(collection, config, Path(clips))


def _tell(suggestion: Suggestion, manifest: Manifest) -> None:
    """Print what is in the folder, what is left out, and how long it will take."""
    from soundloom.stages.download import show, summary

    config, recordings = suggestion.config, sorted({clip.recording for clip in manifest.clips})
    formats = Counter(Path(name).suffix.lower().lstrip(".") for name in recordings)
    minutes = sum(clip.n_samples for clip in manifest.clips) / manifest.sample_rate_hz / 60
    print(f"{config.dataset.folder.path}, called {config.dataset.genre!r}:")
    print(
        f"  {minutes:.1f} minutes of music: {summary(manifest, config.dataset)}; "
        + ", ".join(f"{count} {format}" for format, count in formats.most_common())
    )
    if minutes < ENOUGH_MINUTES:
        print(
            f"  so little teaches a model little: {ENOUGH_MINUTES} minutes or more of one kind of "
            "music are sensible"
        )
    show("left out", [f"{entry.file}: {entry.reason}" for entry in manifest.rejected], MOST_SHOWN)
    show("noted", [f"{entry.recording}: {entry.note}" for entry in manifest.notes], MOST_SHOWN)
    parts = ", ".join(f"{seconds:.0f} s {part}" for part, seconds in suggestion.seconds.items())
    print(f"  split by {config.split.by}: {parts}")
    cores = min(os.cpu_count() or 1, config.train.threads)
    training = suggestion.n_frames / 1e6 * _TRAINING_SECONDS[config.model.base]
    others = minutes * _MINUTE_SECONDS + _REST_SECONDS
    gigabytes = (minutes * _MINUTE_MEGABYTES + _REST_MEGABYTES) / 1000
    print(
        f"  about {_minutes(training / cores)} of training and {_minutes(others / cores)} for the "
        f"rest, if {cores} of this computer's cores are idle and as fast as those of our "
        f"measurements (estimated, not tried), and {gigabytes:.1f} GB of disk"
    )


def _minutes(seconds: float) -> str:
    return f"{max(round(seconds / 60), 1)} min"


def _plain(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
