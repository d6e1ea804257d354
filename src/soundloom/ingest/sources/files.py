"""Audio in other people's folders and archives: found in a fixed order, unpacked with care."""

from __future__ import annotations

import errno
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import IO

from soundloom.audio.files import AUDIO_SUFFIXES
from soundloom.common.errors import SoundloomError
from soundloom.common.user_files import walked_once
from soundloom.corpus.manifest import Rejected

# What one archive may grow to: some days of music, and no zip bomb.
MAX_UNPACKED_BYTES = 16 << 30

COPY_BYTES = 1 << 20

DIRECTORY_MARK = b"PK\1\2"  # of each entry

# What a damaged, encrypted or hostile member raises, or one whose name cannot be a file's here;
# RuntimeError is also the base of what is raised for unknown methods of compression.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip
NO_FAULT_OF_THE_ARCHIVE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE)


def find_audio(root: Path, *, follow_links: bool = False) -> list[Path]:
    """All audio files below ``root``, known by their endings, in order of path.

    Hidden files and folders are passed over, macOS's ``._*`` companions among them. With
    ``follow_links`` links to files and folders count as what they point to, each folder once.
    """
    found = _files(root, follow_links)
    return sorted(path for path in found if path.suffix.lower() in AUDIO_SUFFIXES)


def relative_name(path: Path, root: Path) -> str:
    """``path`` below ``root``, with slashes, as text that any file can hold."""
    name = path.relative_to(root).as_posix()
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _files(root: Path, follow_links: bool) -> Iterator[Path]:
    """Every file below ``root`` that is not hidden."""
    for folder, subfolders, files in walked_once(root, follow_links=follow_links):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and (follow_links or not path.is_symlink()):
                yield path


def unpack_zip(
    archive: Path, into: Path, place: Callable[[PurePosixPath], PurePosixPath | None]
) -> tuple[Rejected, ...]:
    """Unpack members of a zip as plain files below ``into``, and return the ones that could not be.

    ``place`` says where a member goes, relative to ``into``, or ``None`` to leave it out. Members
    that are links, or placed outside ``into``, are never written.

    Raises :class:`SoundloomError`: not a zip, or it unpacks to more than ``MAX_UNPACKED_BYTES``.
    """
    rejected = []
    bytes_left = MAX_UNPACKED_BYTES
    try:
        with _Zip(io.FileIO(os.fspath(archive))) as file, zipfile.ZipFile(file) as opened:
            for member in opened.infolist():
                target = None if member.is_dir() else place(PurePosixPath(member.filename))
                if target is None:
                    continue
                try:
                    bytes_left -= _unpack_member(opened, member, into, target, bytes_left)
                except DAMAGED as error:
                    if isinstance(error, OSError) and error.errno in NO_FAULT_OF_THE_ARCHIVE:
                        raise
                    reason = f"cannot be unpacked ({_cause(error)})"
                    rejected.append(Rejected(f"{archive.name}/{member.filename}", reason))
    except zipfile.BadZipFile:
        raise SoundloomError(f"{archive}: not a zip archive, or only a part of one") from None
    except (ValueError, NotImplementedError, struct.error) as error:
        raise SoundloomError(f"{archive}: a zip archive that is damaged ({error})") from None
    return tuple(rejected)


class _Zip(io.BufferedReader):
    """A zip in whose directory no name is said to be UTF-8 that is not.

    For one that is, ``zipfile`` would open nothing; so it refuses that member alone, whose own
    header still says so.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data.startswith(DIRECTORY_MARK):
            return data
        mended, entry = bytearray(data), 0
        while data.startswith(DIRECTORY_MARK, entry) and entry + 46 <= len(data):
            n_name, n_extra, n_comment = struct.unpack_from("<3H", data, entry + 28)
            try:
                data[entry + 46 : entry + 46 + n_name].decode()
            except UnicodeDecodeError:
                mended[entry + 9] &= ~8
            entry += 46 + n_name + n_extra + n_comment
        return bytes(mended)


def _cause(error: Exception) -> str:
    """What went wrong, without the temporary path that the system's errors end with."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _unpack_member(
    opened: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    into: Path,
    target: PurePosixPath,
    max_bytes: int,
) -> int:
    """Write one member to ``into/target``; returns its size, measured and not as declared.

    Where another has that place, it is written beside it, as ``name (2).wav``.
    """
    if target.is_absolute() or ".." in target.parts or "\\" in str(target):
        raise zipfile.BadZipFile("its path leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise zipfile.BadZipFile("a link")
    if member.flag_bits & 1:
        raise zipfile.BadZipFile("encrypted; unpack the archive by hand")
    path = into / target
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source:
        sink = _free(path).open("xb")
        try:
            with sink:
                return _copy(source, sink, max_bytes, opened.filename)
        except BaseException:
            Path(sink.name).unlink()  # half a file may still play
            raise


def _free(path: Path) -> Path:
    """``path``, or the first of ``name (2).wav``, ``name (3).wav`` … that is not there."""
    numbered = (path.with_name(f"{path.stem} ({number}){path.suffix}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())


def _copy(source: IO[bytes], sink: IO[bytes], max_bytes: int, archive: str | None) -> int:
    """Copy all of ``source``, and return how much that was."""
    n_bytes = 0
    while block := source.read(COPY_BYTES):
        n_bytes += len(block)
        if n_bytes > max_bytes:
            raise SoundloomError(f"{archive}: unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
        sink.write(block)
    return n_bytes
