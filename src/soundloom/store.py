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
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from soundloom.errors import SoundloomError


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


class FrameFolder:
    """``data/spectrogram``: the codec, the split, and one array of frames a clip."""

    # float16 keeps 11 bits: steps of 0.04 dB over a range of 80 dB, at half the size of float32.
    DTYPE = np.float16

    def __init__(self, folder: Path):
        self.path = folder
        self.codec_file = folder / "codec.json"
        self.split_file = folder / "split.json"
        # Every open map holds a file descriptor, of which a process has about a thousand.
        self.read = lru_cache(maxsize=256)(self._read)

    def write(self, clip_name: str, frames: np.ndarray) -> None:
        """Write a clip's frames, ``(n_frames, n_bins)`` in [0, 1]."""
        write_array(self._path(clip_name), frames.astype(self.DTYPE))

    def _read(self, clip_name: str) -> np.ndarray:
        """A clip's frames as a memory map, ``(n_frames, n_bins)`` float16."""
        return read_array(self._path(clip_name))

    def _path(self, clip_name: str) -> Path:
        return self.path / "frames" / f"{clip_name}.npy"


class PairsFolder:
    """``data/pairs``: an index of windows for each part, and their TFRecord shards where asked."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(
        self,
        clip_names: Sequence[str],
        indices: Mapping[str, np.ndarray],
        *,
        window_frames: int,
        shard_windows: int,
        format: str,
    ) -> None:
        """Write the clips that rows number, each part's ``(n_windows, 2)`` index, and how to read.

        ``format`` says whether shards of windows lie here too (tfrecord) or not (npy).
        """
        for part, index in indices.items():
            write_array(self._index_path(part), index)
        document = {
            "format": format,
            "window_frames": window_frames,
            "shard_windows": shard_windows,
            "n_windows": {part: len(index) for part, index in indices.items()},
            "clips": list(clip_names),
        }
        write_json(self.folder / "pairs.json", document)

    def description(self) -> dict[str, Any]:
        """``format``, ``window_frames``, ``shard_windows``, ``n_windows``, ``clips`` by number."""
        return read_json(self.folder / "pairs.json")

    def index(self, part: str) -> np.ndarray:
        """Rows (clip number, first frame) of one part, ``(n_windows, 2)`` int32."""
        return read_array(self._index_path(part))

    def shards(self, part: str) -> list[Path]:
        """TFRecord files of one part, in order."""
        return sorted(self.folder.glob(f"{part}-*.tfrecord"))

    def _index_path(self, part: str) -> Path:
        return self.folder / f"{part}.npy"
