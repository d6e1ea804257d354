"""Source ``folder``: the user's own recordings, any tree of audio files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from soundloom.audio.files import decode_tagged
from soundloom.common.errors import SoundloomError
from soundloom.common.user_files import check_folder, is_utf8, why_not_here
from soundloom.corpus.manifest import Rejected
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources.files import find_audio, relative_name

READ_FORMATS = "wav, flac, ogg, opus, mp3, m4a, wma, aiff"

UNTRACKED = "its name, or a folder's on its way, is not UTF-8, and DVC cannot track it: rename it"


def collect(config: DatasetConfig, work: Path) -> Collection:
    """Offer every audio file below ``dataset.folder.path``, or its sub-folder named as the genre.

    A file's artist, if its tags name none, is the first folder on its way
    (``artist/album/song.mp3``), if there is one.
    Nothing is copied: ``work`` stays empty.

    Raises :class:`SoundloomError`: no such folder, no audio in it, or it is the pipeline's own.
    """
    # Absolute, as worker processes may have another working directory.
    path = Path(config.folder.path)
    check_folder(path, "dataset.folder.path")
    own = path / config.genre
    root = (own if own.is_dir() else path).absolute()
    files = find_audio(root, follow_links=True)
    if not files:
        put = f"put recordings there ({READ_FORMATS} …; sub-folders are searched too)"
        raise SoundloomError(
            f"dataset.folder.path is {config.folder.path!r}, but there is no audio in it; "
            f"{why_not_here(path) or put}"
        )
    untracked = [file for file in files if not is_utf8(file)]
    return Collection(
        tuple(_recording(file, root) for file in files if file not in untracked),
        tuple(Rejected(relative_name(file, root), UNTRACKED) for file in untracked),
    )


def _recording(file: Path, root: Path) -> Recording:
    name = relative_name(file, root)
    first, _, rest = name.partition("/")
    artist = first if rest else None
    return Recording(name, partial(decode_tagged, file), artist, made_of=(file,))
