"""Whether a file can be written where an option says: asked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.common.user_files import check_apart


def check_writable(path: Path, option: str) -> None:
    """Raise :class:`SoundloomError` where no file could be written at ``path``, or would not last.

    It is tried, with a file of the name that :func:`soundloom.common.io.written_aside` would give
    it: permissions do not say all, least of all to root.
    """
    given = f"{option} is {str(path)!a}"
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise SoundloomError(f"{given}, which is not UTF-8; give another name") from None
    folder = path.parent
    try:
        if path.is_dir():
            raise SoundloomError(f"{given}, which is a folder; it must be a file's name")
        if not folder.is_dir():  # perhaps misspelt
            raise SoundloomError(f"{given}, but there is no folder {str(folder)!a}")
        check_apart(path, option)
        trial = folder / f".{path.name}.{os.getpid()}.part"
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise SoundloomError(
            f"{given}, but {str(folder)!a} cannot be written to: {error.strerror}"
        ) from None
