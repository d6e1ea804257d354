"""Files and folders of the user's: whether they are there, are what they should be, lie apart."""

from __future__ import annotations

import os
from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.common.paths import (
    EVALUATED_FOLDER,
    FRAMES_FOLDER,
    GENERATED_FOLDER,
    GENERATOR_FOLDER,
    METRICS_FOLDER,
    PAIRS_FOLDER,
    RAW_FOLDER,
    REFERENCE_FOLDER,
    REPORTS_FOLDER,
)

# What stages write, and replace with all that lies in it.
_REPLACED = (
    RAW_FOLDER, FRAMES_FOLDER, PAIRS_FOLDER, GENERATOR_FOLDER, GENERATED_FOLDER, REFERENCE_FOLDER,
    EVALUATED_FOLDER, METRICS_FOLDER, REPORTS_FOLDER,
)  # fmt: skip


def check_apart(path: Path, setting: str) -> None:
    """Refuse a ``path`` of the user's, named by ``setting``, where the pipeline replaces files.

    Raises :class:`SoundloomError` if it holds one of the pipeline's folders, or lies in one.
    """
    whole = path.resolve()
    for replaced in _REPLACED:
        own = replaced.resolve()
        if whole.is_relative_to(own) or own.is_relative_to(whole):
            raise SoundloomError(
                f"{setting} is {str(path)!r}; it must lie apart from {replaced}, which the "
                "pipeline writes"
            )


def check_folder(path: Path, setting: str) -> None:
    """Check that a folder of the user's, named by ``setting``, is there, and apart from others."""
    if not path.is_dir():
        wanted = "it must be an existing folder of recordings, absolute or relative to the project"
        raise SoundloomError(f"{setting} is {str(path)!r}; {why_not_here(path) or wanted}")
    check_apart(path, setting)


def why_no_file(path: Path) -> str:
    """What ``path`` is, if not a file that can be read from its beginning to its end; "" if so."""
    if path.is_file():
        return ""
    if path.is_dir():
        return "a folder, no file"
    if path.exists():  # to open a named pipe would wait for ever, to read a device never end
        return "no regular file"
    return "a link to a file that is not there" if path.is_symlink() else "no such file"


def why_not_here(path: Path) -> str:
    """What to say of a missing file of the user's; "" but in DVC's temporary workspaces.

    There, DVC names the project's own folder in ``DVC_ROOT``.
    """
    root = os.environ.get("DVC_ROOT")
    if not root or path.is_absolute() or Path(root).resolve() == Path.cwd().resolve():
        return ""
    return (
        "a temporary workspace (--temp, --queue) holds only what git or DVC tracks: give the "
        f"absolute path, {Path(root, path)}, or `dvc add` it"
    )
