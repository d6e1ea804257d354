"""Every on-disk format but audio: how it is written, and how it is read back.

All writes are atomic (written aside, then renamed) and byte-stable: the same content gives the
same bytes, with no time stamps, random names or machine paths.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from soundloom.common.errors import SoundloomError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file at; on success it takes ``path``'s place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` to fill; on success it takes ``path``'s place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
        raise SoundloomError(f"{path}: no such file; `dvc repro` makes it") from None
    except ValueError as error:
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
        raise SoundloomError(f"{path}: no such file; `dvc repro` makes it") from None
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
        raise SoundloomError(f"{path}: no such file; `dvc repro` makes it") from None
    except ValueError as error:
        raise SoundloomError(f"{path}: not a .npy array: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz``; none may hold objects."""
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what :func:`write_arrays` wrote."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise SoundloomError(f"{path}: no such file; `dvc repro` makes it") from None
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise SoundloomError(f"{path}: not a .npz of arrays: {error}") from None
