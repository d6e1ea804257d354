"""``data/spectrogram``: the codec, and one array of frames a clip."""

from __future__ import annotations

import shutil
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_array, read_json, write_array, write_json
from soundloom.spectral.codec import FRAMES_DTYPE, FrameCodec
from soundloom.spectral.config import CODEC_FILE

# What levels kept aside leave of a disk to all else.
_LEFT_FREE_BYTES = 1 << 31


def write_codec(folder: Path, codec: FrameCodec) -> None:
    """Write a codec as ``codec.json`` in ``folder``."""
    write_json(folder / CODEC_FILE, codec.to_json())


def read_codec(folder: Path) -> FrameCodec:
    """Read what :func:`write_codec` wrote; :class:`SoundloomError` where it is no codec."""
    path = folder / CODEC_FILE
    return FrameCodec.from_json(read_json(path), str(path))


class LevelsAside:
    """Levels of whole clips, from when the scale is fitted until frames are made with it.

    One file a clip in ``folder``, which is made when needed; nothing is left of it afterwards. What
    cannot be kept is not: none is needed, and the frames need room.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def __enter__(self) -> LevelsAside:
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def keep(self, clip_name: str, levels: np.ndarray) -> None:
        """Keep what :func:`~soundloom.spectral.spectrogram.analyse` made of a clip."""
        if shutil.disk_usage(self._folder.parent).free >= _LEFT_FREE_BYTES:
            with suppress(SoundloomError):
                write_array(self._path(clip_name), levels)

    def take(self, clip_name: str) -> np.ndarray | None:
        """The levels of a clip, once; None where none were kept, or another took them."""
        path = self._path(clip_name)
        try:
            levels = np.load(path, allow_pickle=False)
            path.unlink()
        except FileNotFoundError:
            return None
        return levels

    def _path(self, clip_name: str) -> Path:
        return self._folder / f"{clip_name}.npy"


class FrameFolder:
    """A folder with ``codec.json`` and ``frames/<clip>.npy``."""

    def __init__(self, folder: Path):
        self._folder = folder
        # Every open map holds a file descriptor, of which a process has about a thousand.
        self.read = lru_cache(maxsize=256)(self._read)

    def __reduce__(self) -> tuple[type[FrameFolder], tuple[Path]]:
        """What it has open stays in its process."""
        return FrameFolder, (self._folder,)

    def write_codec(self, codec: FrameCodec) -> None:
        """Write the codec that all frames here are of."""
        write_codec(self._folder, codec)

    def read_codec(self) -> FrameCodec:
        """Read what :meth:`write_codec` wrote."""
        return read_codec(self._folder)

    def write(self, clip_name: str, frames: np.ndarray) -> None:
        """Write a clip's frames, ``(n_frames, n_bins)`` in [0, 1]."""
        write_array(self._path(clip_name), frames.astype(FRAMES_DTYPE))

    def _read(self, clip_name: str) -> np.ndarray:
        """A clip's frames as a memory map, ``(n_frames, n_bins)`` float16."""
        return read_array(self._path(clip_name))

    def _path(self, clip_name: str) -> Path:
        return self._folder / "frames" / f"{clip_name}.npy"
