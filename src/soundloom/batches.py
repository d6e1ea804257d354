"""``data/spectrogram`` and ``data/pairs`` as they lie on disk, opened as batches of windows."""

from __future__ import annotations

from soundloom.config import PairsConfig
from soundloom.errors import SoundloomError
from soundloom.split import Part
from soundloom.store import FrameFolder, PairsFolder
from soundloom.windows import Batches, WindowBatches


def open_batches(
    frames: FrameFolder,
    pairs: PairsFolder,
    part: Part,
    config: PairsConfig,
    *,
    batch_size: int,
    seed: int | None,
) -> Batches:
    """Batches of one part, the same ones whether ``pairs.format`` is npy or tfrecord.

    ``seed=None`` keeps the order of the index, every epoch. Raises :class:`SoundloomError` when
    the part holds no window.
    """
    index = pairs.index(part)
    if len(index) == 0:
        raise SoundloomError(
            f"the {part} part holds no window of pairs.window_frames ({config.window_frames}) "
            "frames; use a shorter window, more recordings or a larger fraction"
        )
    if config.format == "tfrecord":
        from soundloom.tensorflow_only import TFRecordBatches

        return TFRecordBatches(
            pairs.shards(part),
            n_windows=len(index),
            shard_windows=config.shard_windows,
            batch_size=batch_size,
            seed=seed,
        )
    names = pairs.clip_names()
    return WindowBatches(
        lambda number: frames.read(names[number]),
        index,
        window_frames=config.window_frames,
        batch_size=batch_size,
        shard_windows=config.shard_windows,
        seed=seed,
    )


def write_shards(frames: FrameFolder, pairs: PairsFolder, part: Part, config: PairsConfig) -> None:
    """Copy one part's windows into TFRecord shards, in the order of its index."""
    from soundloom import tensorflow_only

    in_order = config.model_copy(update={"format": "npy"})
    batches = open_batches(frames, pairs, part, in_order, batch_size=256, seed=None)
    tensorflow_only.write_shards(pairs.folder, part, batches, config.shard_windows)
