"""Files and folders of the user's: whether they are there, are what they should be, lie apart."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.common.paths import OUTPUTS, real_path


def check_apart(path: Path, setting: str) -> None:
    """Refuse a ``path`` of the user's, named by ``setting``, where the pipeline replaces files.

    Raises :class:`SoundloomError` if it holds one of the pipeline's outputs, or lies in one.
    """
    whole = real_path(path)
    for output in OUTPUTS:
        own = real_path(output)
        if whole.is_relative_to(own) or own.is_relative_to(whole):
            raise SoundloomError(
                f"{setting} is {str(path)!r}; it must lie apart from {output}, which the "
                "pipeline writes"
            )


def check_folder(path: Path, setting: str) -> None:
    """Check a folder of the user's, named by ``setting``: there, apart from others, trackable."""
    if not path.is_dir():
        wanted = "it must be an existing folder of recordings, absolute or relative to the project"
        raise SoundloomError(f"{setting} is {str(path)!r}; {why_not_here(path) or wanted}")
    check_apart(path, setting)
    check_trackable(path, setting)


def check_trackable(path: Path, setting: str) -> None:
    """Refuse a folder of the user's, named by ``setting``, that DVC could not read to its end.

    At what is neither file nor folder it stops (a link to nothing) or waits for ever (a named
    pipe), whatever its ending, and hidden or not. A folder that is not there is passed over.
    """
    is_within = real_path(path).is_relative_to(Path.cwd())
    for folder, subfolders, names in walked_once(path, follow_links=True):
        for found in (Path(folder, name) for name in sorted([*subfolders, *names])):
            if is_utf8(found):
                why = "" if found.is_dir() else why_no_file(found)
            else:  # within the project, .dvcignore has it pass over these
                why = "" if is_within else "whose name is not UTF-8"
            if why:
                raise SoundloomError(
                    f"{setting} is {str(path)!r}; it holds {str(found)!r}, {why}, at which DVC "
                    f"stops: {'remove' if is_utf8(found) else 'rename'} it"
                )


def walked_once(root: Path, *, follow_links: bool) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk`` does from the top, but each folder once, however many links lead there."""
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=follow_links):
        # A link back to a folder above would otherwise be walked in circles.
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        yield folder, subfolders, names


def is_utf8(path: Path) -> bool:
    """Whether the bytes of ``path`` are UTF-8; the others show as halves of surrogate pairs."""
    return not re.search("[\ud800-\udfff]", str(path))


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
