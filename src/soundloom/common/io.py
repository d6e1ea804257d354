"""Every on-disk format but audio: how it is written, and how it is read back.

All writes are atomic (written aside, then renamed) and byte-stable: the same content gives the
same bytes, with no time stamps, random names or machine paths. What cannot be written, as on a full
disk, is a :class:`SoundloomError` that names it, and leaves what was there.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.paths import is_output


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file at; on success it takes ``path``'s place."""
    aside = _aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.touch()  # what is in the way of it, libraries say worse
        yield aside
        aside.replace(path)
    except (OSError, RuntimeError) as error:  # libsndfile's are the latter
        raise _cannot_be_written(path, error) from error
    finally:
        with suppress(OSError):  # a read-only folder's, which is told already
            aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` to fill; on success it takes ``path``'s place."""
    aside, former = _aside(path), _aside(path, "former")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for left in aside.rglob(".*.part"):  # of workers that were killed, whose work others did
            if _ASIDE.fullmatch(left.name):
                left.unlink()
        # A folder cannot be renamed onto another. It is out of its place for two renames only.
        if path.exists():
            path.replace(former)
        aside.replace(path)
    except OSError as error:
        named = Path(error.filename or path)
        if aside.name not in named.parts and not path.is_relative_to(named):
            raise  # of something else
        raise _cannot_be_written(path, error) from error
    finally:
        if former.exists() and not path.exists():
            former.replace(path)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def remove_leavings(folder: Path) -> None:
    """Remove what processes that were killed had been writing aside in ``folder``."""
    for left in folder.glob(".*.part"):
        if (made := _ASIDE.fullmatch(left.name)) and not _is_alive(int(made["process"])):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        # Where nobody waits for them, as in many containers, killed ones stay as zombies.
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


_ASIDE = re.compile(r"\.(?P<name>.+?)(\.former)?\.(?P<process>\d+)\.part")


def _aside(path: Path, *kind: str) -> Path:
    return path.with_name(".".join(["", path.name, *kind, str(os.getpid()), "part"]))


def _cannot_be_written(path: Path, error: Exception) -> SoundloomError:
    """The error, naming the place that ``path`` is to have once its folder has its own."""
    place = Path(*(_ASIDE.sub(r"\g<name>", part) for part in path.parts))
    number = getattr(error, "errno", None)  # which libraries keep, with a text of their own
    reason = os.strerror(number) if number else f"{first_line(error)} (is the disk full?)"
    return SoundloomError(f"{place}: cannot be written: {reason}")


def _no_such_file(path: Path) -> SoundloomError:
    return SoundloomError(f"{path}: no such file{'; `dvc repro` makes it' * is_output(path)}")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with plain newlines."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as readable JSON, keys in the order given."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; :class:`SoundloomError` names it when it is absent or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _no_such_file(path) from None
    except (ValueError, RecursionError) as error:
        raise SoundloomError(f"{path}: not valid JSON: {error}") from None


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of equal keys as CSV, floats at full precision."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, float]]:
    """Read a CSV of numbers that :func:`write_rows` wrote; an empty cell is NaN."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {key: float(value or "nan") for key, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        raise _no_such_file(path) from None
    except ValueError as error:
        raise SoundloomError(f"{path}: not a table of numbers: {error}") from None


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as ``.npy``."""
    with written_aside(path) as aside, aside.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """Map one ``.npy`` file into memory, read-only: only what is touched is read."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise _no_such_file(path) from None
    except (ValueError, EOFError) as error:
        raise SoundloomError(f"{path}: not a .npy array: {error}") from None


class RowsOnDisk:
    """:class:`~soundloom.common.rows.Rows` that take no memory: they wait in a file without a name.

    It lies in the folder of ``path``, where what is made of the rows is to be written, as temporary
    folders are in memory on many systems. Nothing is left of it, whatever ends the process.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[bytes] | None = None
        self._dtype, self._shape = np.dtype(float), (0,)

    def append(self, rows: np.ndarray) -> None:
        """Put rows behind those there are; :class:`SoundloomError` where the disk is full."""
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
                self._dtype, self._shape = rows.dtype, (0, *rows.shape[1:])
            self._file.write(np.ascontiguousarray(rows, self._dtype).data)
            self._file.flush()  # or what fails would do so later
        except OSError as error:
            raise _cannot_be_written(self._path, error) from error
        self._shape = (self._shape[0] + len(rows), *self._shape[1:])

    def joined(self) -> np.ndarray:
        """Map all rows into memory, read-only: only what is touched is read."""
        if self._file is None or 0 in self._shape:
            return np.zeros(self._shape, self._dtype)
        with self._file as file:  # the map keeps it
            return np.asarray(np.memmap(file, self._dtype, "r", shape=self._shape))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz``; none may hold objects."""
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


# Of the header before a file in a zip archive: its length, where in it the lengths of the name and
# of what is extra are; of the record of a size beyond 4 GB, which may be needed, and its own head.
_ZIP_HEADER_BYTES, _ZIP_LENGTHS, _ZIP64_BYTES, _ZIP_EXTRA_BYTES = 30, slice(26, 30), 20, 4
# What Android's zipalign marks such records with; programs pass over those they do not know.
_ZIP_PADDING = 0xD935
_ALIGNED_BYTES = 64


def write_mappable(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as :func:`write_arrays` does, so that :func:`map_arrays` need not read them.

    Each begins at a multiple of 64 bytes. Those that are maps themselves are copied piece by piece.
    """
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy")  # of 1980, as all that NumPy writes
            head = _ZIP_HEADER_BYTES + len(info.filename.encode()) + _ZIP64_BYTES + _ZIP_EXTRA_BYTES
            padding = -(archive.start_dir + head) % _ALIGNED_BYTES
            info.extra = struct.pack("<HH", _ZIP_PADDING, padding) + bytes(padding)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map what :func:`write_mappable` wrote into memory, read-only: only what is touched is read.

    First, though, the whole file is read once, piece by piece, and checksums compared. Raises
    :class:`SoundloomError` naming the file where it is absent, damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
            content = np.memmap(path, np.uint8, "r")
            return {
                info.filename.removesuffix(".npy"): _mapped(archive, info, content)
                for info in archive.infolist()
            }
    except FileNotFoundError:
        raise _no_such_file(path) from None
    except Exception as error:  # NumPy, zipfile and zlib each raise their own
        raise SoundloomError(f"{path}: not a .npz of arrays: {first_line(error)}") from None


def _mapped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: np.ndarray) -> np.ndarray:
    """One array of an archive, cut out of all that the archive's file holds."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as member:
        shape, fortran_order, dtype = _header(member, info.filename)
        n_header = member.tell()
    if dtype.hasobject or dtype.itemsize * math.prod(shape) != info.file_size - n_header:
        raise ValueError(f"{info.filename} does not hold {shape} of {dtype}")
    lengths = content[info.header_offset :][_ZIP_LENGTHS].tobytes()
    start = info.header_offset + _ZIP_HEADER_BYTES + sum(struct.unpack("<HH", lengths)) + n_header
    array = np.ndarray(shape, dtype, content.data, start, order="F" if fortran_order else "C")
    # Numbers that lie askew are summed up in another order than others.
    return array if array.flags.aligned else array.copy()


def read_arrays(
    path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, np.ndarray]:
    """Read what :func:`write_arrays` wrote.

    With ``shapes``, the arrays must be these, in these shapes, of finite floats. None of another
    size is read: a small file may claim to hold more than there is memory for. Raises
    :class:`SoundloomError` naming the file, and the array that does not fit.
    """
    try:
        with zipfile.ZipFile(path) as headers:
            if shapes is not None:
                _check_shapes(headers, shapes)
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        for name in shapes or ():
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds NaN or infinity")
        return arrays
    except FileNotFoundError:
        raise _no_such_file(path) from None
    except Exception as error:  # NumPy, zipfile and zlib each raise their own
        raise SoundloomError(f"{path}: not a .npz of arrays: {first_line(error)}") from None


def _check_shapes(archive: zipfile.ZipFile, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare what an archive's headers claim; ``ValueError`` names what is not as it must be."""
    if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in shapes):
        raise ValueError(f"they must be {', '.join(shapes)}")
    for name, wanted in shapes.items():
        shape, dtype = _claimed(archive, f"{name}.npy")
        if shape != wanted or dtype.kind != "f":
            raise ValueError(f"{name} has shape {shape} of {dtype}; it must be {wanted} of floats")


def _claimed(archive: zipfile.ZipFile, file: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in an archive, as its header has them."""
    with archive.open(file) as header:
        shape, _, dtype = _header(header, file)
    return shape, dtype


def _header(member: IO[bytes], file: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of an array whose file is read up to itself."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError(f"{file} is of another version of NumPy's format")
    return np.lib.format.read_array_header_1_0(member)


SUMS_FILE = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """List the SHA-256 of all files of ``folder`` in ``SHA256SUMS``, as ``sha256sum`` does."""
    lines = [f"{_sha256(file)}  {file.name}\n" for file in sorted(folder.iterdir())]
    write_text(folder / SUMS_FILE, "".join(lines))


def check_sums(folder: Path, names: Sequence[str]) -> None:
    """Check that the files ``names`` are those that :func:`write_sums` listed, byte by byte.

    Raises :class:`SoundloomError` naming the first that is absent, damaged or from elsewhere.
    """
    for name in (SUMS_FILE, *names):
        if not (folder / name).is_file():
            raise _no_such_file(folder / name)
    listed = (folder / SUMS_FILE).read_bytes().splitlines()
    for name in names:
        if f"{_sha256(folder / name)}  {name}".encode() not in listed:
            mend = "; `dvc checkout` brings back what `dvc repro` made" * is_output(folder)
            raise SoundloomError(
                f"{folder / name}: damaged, or not from here: its SHA-256 is not the one in "
                f"{SUMS_FILE}{mend}"
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
