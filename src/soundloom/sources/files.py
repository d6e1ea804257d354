"""Audio in other people's folders and archives: found in a fixed order, unpacked with care."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from soundloom.audio import AUDIO_SUFFIXES
from soundloom.corpus import Rejected

# Sound that libsndfile cannot open, by the endings of its files: said, rather than passed over.
UNREADABLE_SUFFIXES = (
    ".m4a", ".m4b", ".mp4", ".aac", ".alac", ".wma", ".ape", ".wv", ".mpc", ".ac3", ".dts", ".amr",
    ".ra", ".mka", ".webm", ".tta", ".dsf",
)  # fmt: skip

READ_FORMATS = "wav, flac, ogg, opus, mp3, aiff, au, caf"


def find_audio(
    root: Path, *, follow_links: bool = False
) -> tuple[list[Path], tuple[Rejected, ...]]:
    """All audio files below ``root`` in order of path, and the ones in formats that are not read.

    Hidden files and folders are passed over, macOS's ``._*`` companions among them. With
    ``follow_links`` links to files and folders count as what they point to, each folder once.
    """
    found, rejected = [], []
    for path in sorted(_files(root, follow_links)):
        suffix = path.suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            found.append(path)
        elif suffix in UNREADABLE_SUFFIXES:
            reason = f"{suffix} is not read, only {READ_FORMATS} …: convert it, with ffmpeg say"
            rejected.append(Rejected(relative_name(path, root), reason))
    return found, tuple(rejected)


def relative_name(path: Path, root: Path) -> str:
    """``path`` below ``root``, with slashes, as text that any file can hold."""
    name = path.relative_to(root).as_posix()
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _files(root: Path, follow_links: bool) -> Iterator[Path]:
    """Every file below ``root`` that is not hidden."""
    seen: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=follow_links):
        # A link back to a folder above would otherwise be walked in circles.
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and (follow_links or not path.is_symlink()):
                yield path
