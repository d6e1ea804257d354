"""``data/spectrogram`` and ``data/pairs`` as they lie on disk, opened as batches of windows."""

from __future__ import annotations

import numpy as np

from soundloom.errors import SoundloomError
from soundloom.split import Part
from soundloom.store import FrameFolder, PairsFolder
from soundloom.windows import Batches, WindowBatches


def open_batches(
    frames: FrameFolder, pairs: PairsFolder, part: Part, *, batch_size: int, seed: int | None
) -> Batches:
    """Batches of one part, the same ones whether ``pairs.format`` was npy or tfrecord.

    ``seed=None`` keeps the order of the index, every epoch. Raises :class:`SoundloomError` when
    the part holds no window.
    """
    description = pairs.description()
    if description["format"] == "npy":
        return _memory_mapped(frames, pairs, part, batch_size, seed)
    from soundloom.tfrecord import TFRecordBatches

    return TFRecordBatches(
        pairs.shards(part),
        n_windows=len(_index(pairs, part)),
        shard_windows=description["shard_windows"],
        batch_size=batch_size,
        seed=seed,
    )


def write_shards(frames: FrameFolder, pairs: PairsFolder, part: Part) -> None:
    """Copy one part's windows into TFRecord shards, in the order of its index."""
    from soundloom import tfrecord

    in_order = _memory_mapped(frames, pairs, part, batch_size=256, seed=None)
    shard_windows = pairs.description()["shard_windows"]
    tfrecord.write_shards(pairs.folder, part, in_order, shard_windows)


def _memory_mapped(
    frames: FrameFolder, pairs: PairsFolder, part: Part, batch_size: int, seed: int | None
) -> WindowBatches:
    description = pairs.description()
    names = description["clips"]
    return WindowBatches(
        lambda number: frames.read(names[number]),
        _index(pairs, part),
        window_frames=description["window_frames"],
        batch_size=batch_size,
        shard_windows=description["shard_windows"],
        seed=seed,
    )


def _index(pairs: PairsFolder, part: Part) -> np.ndarray:
    index = pairs.index(part)
    if len(index) == 0:
        raise SoundloomError(
            f"the {part} part holds no window of pairs.window_frames "
            f"({pairs.description()['window_frames']}) frames; use a shorter window, more "
            "recordings or a larger fraction"
        )
    return index
