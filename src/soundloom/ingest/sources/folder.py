"""Source ``folder``: the user's own recordings, any tree of audio files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from soundloom.audio.files import read_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.paths import RAW_FOLDER
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources.files import READ_FORMATS, find_audio, relative_name


def collect(config: DatasetConfig, work: Path) -> Collection:
    """Offer every audio file below ``dataset.folder.path``, or its sub-folder named as the genre.

    A file's artist is the first folder on its way (``artist/album/song.mp3``), if there is one.
    Nothing is copied: ``work`` stays empty.

    Raises :class:`SoundloomError`: no such folder, no audio in it, or it is the pipeline's own.
    """
    # Absolute, as worker processes may have another working directory.
    root = _root(Path(config.folder.path), config.genre).absolute()
    files, rejected = find_audio(root, follow_links=True)
    if not files and not rejected:
        raise SoundloomError(
            f"dataset.folder.path is {config.folder.path!r}, but there is no audio in it; put "
            f"recordings there ({READ_FORMATS}; sub-folders are searched too)"
        )
    return Collection(tuple(_recording(file, root) for file in files), rejected)


def _root(path: Path, genre: str) -> Path:
    """The folder to search."""
    if not path.is_dir():
        raise SoundloomError(
            f"dataset.folder.path is {str(path)!r}; it must be an existing folder of recordings, "
            "absolute or relative to the project"
        )
    # data/raw is replaced by each run, with whatever lies in it.
    whole, raw = path.resolve(), RAW_FOLDER.resolve()
    if whole.is_relative_to(raw) or raw.is_relative_to(whole):
        raise SoundloomError(
            f"dataset.folder.path is {str(path)!r}; it must lie apart from {RAW_FOLDER}, which "
            "the pipeline writes"
        )
    return path / genre if (path / genre).is_dir() else path


def _recording(file: Path, root: Path) -> Recording:
    name = relative_name(file, root)
    first, _, rest = name.partition("/")
    return Recording(name, partial(read_audio, file), artist=first if rest else None)
