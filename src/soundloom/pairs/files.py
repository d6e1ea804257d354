"""``data/pairs``: an index of windows for each part, and their TFRecord shards where asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_array, read_json, write_array, write_json
from soundloom.pairs.windows import Batches, WindowBatches

SHARD_WINDOWS = 1024
"""Windows shuffled together: those of one TFRecord file."""


class PairsFolder:
    """A folder with ``pairs.json``, ``<part>.npy`` and, where asked, ``<part>-00000.tfrecord`` …

    ``clip_frames(name)`` returns the frames of a clip, ``(n_frames, n_bins)``, that rows of the
    indices point into.
    """

    def __init__(self, folder: Path, clip_frames: Callable[[str], np.ndarray]):
        self._folder = folder
        self._clip_frames = clip_frames

    def write(
        self,
        clip_names: Sequence[str],
        indices: Mapping[str, np.ndarray],
        *,
        window_frames: int,
        format: str,
        shard_windows: int = SHARD_WINDOWS,
    ) -> None:
        """Write the clips that rows number, each part's ``(n_windows, 2)`` index, and how to read.

        With ``format`` tfrecord the windows themselves, too, in the order of the index. Raises
        :class:`SoundloomError` when a part holds no window.
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
        write_json(self._folder / "pairs.json", document)
        for part in indices:
            in_order = self._memory_mapped(part, batch_size=256, seed=None)
            if format == "tfrecord":
                from soundloom.pairs import tfrecord

                tfrecord.write_shards(self._folder, part, in_order, shard_windows)

    def batches(self, part: str, *, batch_size: int, seed: int | None) -> Batches:
        """Batches of one part, the same ones whether ``pairs.format`` was npy or tfrecord.

        ``seed=None`` keeps the order of the index, every epoch. Raises :class:`SoundloomError` when
        the part holds no window.
        """
        description = self.description()
        if description["format"] == "npy":
            return self._memory_mapped(part, batch_size, seed)
        from soundloom.pairs.tfrecord import TFRecordBatches

        return TFRecordBatches(
            sorted(self._folder.glob(f"{part}-*.tfrecord")),
            n_windows=len(self._index(part)),
            shard_windows=description["shard_windows"],
            batch_size=batch_size,
            seed=seed,
        )

    def description(self) -> dict[str, Any]:
        """``format``, ``window_frames``, ``shard_windows``, ``n_windows``, ``clips`` by number."""
        return read_json(self._folder / "pairs.json")

    def _memory_mapped(self, part: str, batch_size: int, seed: int | None) -> WindowBatches:
        description = self.description()
        names = description["clips"]
        return WindowBatches(
            lambda number: self._clip_frames(names[number]),
            self._index(part),
            window_frames=description["window_frames"],
            batch_size=batch_size,
            shard_windows=description["shard_windows"],
            seed=seed,
        )

    def _index(self, part: str) -> np.ndarray:
        """Rows (clip number, first frame) of one part, ``(n_windows, 2)`` int32."""
        index = read_array(self._index_path(part))
        if len(index) == 0:
            window_frames = self.description()["window_frames"]
            raise SoundloomError(
                f"the {part} part holds no window of pairs.window_frames ({window_frames}) frames; "
                "use a shorter window, more recordings or a larger fraction"
            )
        return index

    def _index_path(self, part: str) -> Path:
        return self._folder / f"{part}.npy"
