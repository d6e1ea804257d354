"""Frames → windows: where each one starts, in which order they are met, and what they hold.

A window is ``window_frames + 1`` consecutive frames of one segment: the context is all but its last
frame, the following output all but its first. Windows are kept as rows ``(clip, first frame)`` of
an index; frames are copied only into the batch at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from soundloom.corpus.split import Part, Segment
from soundloom.pairs.config import PairsConfig

# Any order will do, as long as it is always the same one.
_ORDER_SEED = 0


def segment_frames(segment: Segment, hop_samples: int) -> range:
    """Frames centred within the segment."""
    first = -(-segment.start_sample // hop_samples)
    last = segment.end_sample // hop_samples
    return range(first, last + 1)


def index_windows(
    segments: Sequence[Segment],
    part: Part,
    clip_names: Sequence[str],
    hop_samples: int,
    pairs: PairsConfig,
) -> np.ndarray:
    """Every window of one part, ``(n_windows, 2)`` int32 rows of (clip number, first frame).

    Rows are in a random order, the same every time, so that consecutive rows (a shard) hold a mix
    of clips. Segments shorter than a window give none.
    """
    number_of = {name: number for number, name in enumerate(clip_names)}
    found = [np.empty((0, 2), np.int32)]
    for segment in segments:
        if segment.part == part:
            frames = segment_frames(segment, hop_samples)
            firsts = np.arange(
                frames.start, frames.stop - pairs.window_frames, pairs.step_frames, dtype=np.int32
            )
            found.append(np.stack([np.full_like(firsts, number_of[segment.clip]), firsts], axis=1))
    index = np.concatenate(found)
    np.random.default_rng(_ORDER_SEED).shuffle(index)
    return index


def epoch_order(n_windows: int, shard_windows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of an index in the order one epoch meets them, shard by shard.

    Shards are met in random order and shuffled one at a time: an order that sequential files can
    follow while holding a single shard in memory.
    """
    starts = np.arange(0, n_windows, shard_windows)
    return [
        start + rng.permutation(min(shard_windows, n_windows - start))
        for start in rng.permutation(starts)
    ]


class Batches(Protocol):
    """Batches of windows ``(batch, window_frames + 1, n_bins)`` float32, epoch after epoch."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """The batches of one epoch."""


class WindowBatches:
    """Batches of windows, epoch after epoch, cut from frames as they are asked for.

    ``clip_frames(number)`` returns a clip's frames, ``(n_frames, n_bins)``; a memory map keeps the
    whole corpus on disk. ``seed=None`` meets the windows in the order of the index, every time.
    """

    def __init__(
        self,
        clip_frames: Callable[[int], np.ndarray],
        index: np.ndarray,
        *,
        window_frames: int,
        batch_size: int,
        shard_windows: int,
        seed: int | None,
    ):
        self._clip_frames = clip_frames
        self._index = index
        self._window_frames = window_frames
        self._batch_size = batch_size
        self._shard_windows = shard_windows
        self._seed = seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._index) // self._batch_size)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """The batches of one epoch: ``(≤ batch_size, window_frames + 1, n_bins)`` float32."""
        if self._seed is None:
            order = np.arange(len(self._index))
        else:
            rng = np.random.default_rng([self._seed, number])
            order = np.concatenate(epoch_order(len(self._index), self._shard_windows, rng))
        for start in range(0, len(order), self._batch_size):
            yield self._windows(self._index[order[start : start + self._batch_size]])

    def _windows(self, rows: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                self._clip_frames(clip)[first : first + self._window_frames + 1]
                for clip, first in rows.tolist()
            ]
        ).astype(np.float32)


def mean_frame(batches: Batches) -> np.ndarray:
    """Mean of all frames of the batches, ``(n_bins,)`` float64."""
    total, count = 0.0, 0
    for windows in batches.epoch(0):
        total = total + windows.sum(axis=(0, 1), dtype=np.float64)
        count += windows.shape[0] * windows.shape[1]
    return np.asarray(total / count)
