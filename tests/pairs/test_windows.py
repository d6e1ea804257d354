"""Windows: where they lie, the order they are met in, and that nothing is held in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.corpus.split import Segment
from soundloom.pairs.config import PairsConfig
from soundloom.pairs.files import PairsFolder
from soundloom.pairs.windows import (
    WindowBatches,
    epoch_order,
    index_windows,
    mean_frame,
    segment_frames,
)
from soundloom.spectral.files import FrameFolder

HOP = 256
SHARD_WINDOWS = 10
PAIRS = PairsConfig(window_frames=8, step_frames=4, format="npy")


def segment(start_frame: int, end_frame: int, clip: str = "a", part: str = "train") -> Segment:
    return Segment(clip, start_frame * HOP, end_frame * HOP, part)  # type: ignore[arg-type]


def test_frames_of_a_segment_are_centred_within_it() -> None:
    assert list(segment_frames(Segment("a", 0, 1024, "train"), HOP)) == [0, 1, 2, 3, 4]
    assert list(segment_frames(Segment("a", 1, 1023, "train"), HOP)) == [1, 2, 3]


def test_windows_of_one_segment() -> None:
    # Frames 10 to 30 hold windows of 9 that start at 10, 14, 18 and 22.
    index = index_windows([segment(10, 30)], "train", ["a"], HOP, PAIRS)
    assert index.dtype == np.int32
    assert sorted(index.tolist()) == [[0, 10], [0, 14], [0, 18], [0, 22]]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_windows_stay_within_their_segment(spans: list[tuple[int, int]]) -> None:
    segments = [
        segment(start, start + length, clip=f"clip {number}")
        for number, (start, length) in enumerate(spans)
    ]
    names = [f"clip {number}" for number in range(len(spans))]
    for clip, first in index_windows(segments, "train", names, HOP, PAIRS).tolist():
        frames = segment_frames(segments[clip], HOP)
        assert frames.start <= first
        assert first + PAIRS.window_frames < frames.stop


def test_only_the_part_asked_for() -> None:
    segments = [segment(0, 20), segment(30, 60, part="test")]
    index = index_windows(segments, "test", ["a"], HOP, PAIRS)
    assert index[:, 1].min() >= 30
    assert len(index_windows(segments, "validation", ["a"], HOP, PAIRS)) == 0


@given(n_windows=st.integers(1, 200), shard=st.integers(1, 50), seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_an_epoch_meets_every_window_once_shard_by_shard(
    n_windows: int, shard: int, seed: int
) -> None:
    order = epoch_order(n_windows, shard, np.random.default_rng(seed))
    assert sorted(np.concatenate(order).tolist()) == list(range(n_windows))
    assert all(len(set((rows // shard).tolist())) == 1 for rows in order)


def make_batches(seed: int | None = 0, n_clips: int = 3) -> WindowBatches:
    """Frames of two bins: the clip's number, and the frame's."""
    clips = [
        np.stack([np.full(60, clip), np.arange(60)], axis=1).astype(np.float16)
        for clip in range(n_clips)
    ]
    segments = [segment(0, 59, clip=str(number)) for number in range(n_clips)]
    index = index_windows(segments, "train", [str(n) for n in range(n_clips)], HOP, PAIRS)
    return WindowBatches(
        clips.__getitem__,
        index,
        window_frames=8,
        batch_size=16,
        shard_windows=SHARD_WINDOWS,
        seed=seed,
    )


def test_batches_hold_consecutive_frames_of_one_clip() -> None:
    batches = make_batches()
    found = list(batches.epoch(0))
    assert len(found) == len(batches) == 3
    windows = np.concatenate(found)
    assert windows.shape == (39, 9, 2)
    assert windows.dtype == np.float32
    assert (np.diff(windows[..., 1], axis=1) == 1).all()
    assert (np.diff(windows[..., 0], axis=1) == 0).all()


def test_epochs_differ_but_repeat_for_a_seed() -> None:
    first = np.concatenate(list(make_batches().epoch(0)))
    np.testing.assert_array_equal(np.concatenate(list(make_batches().epoch(0))), first)
    assert not np.array_equal(np.concatenate(list(make_batches().epoch(1))), first)
    assert not np.array_equal(np.concatenate(list(make_batches(seed=1).epoch(0))), first)
    in_order = [np.concatenate(list(make_batches(seed=None).epoch(n))) for n in (0, 1)]
    np.testing.assert_array_equal(in_order[0], in_order[1])


def test_mean_frame() -> None:
    windows = np.concatenate(list(make_batches().epoch(0)))
    np.testing.assert_allclose(mean_frame(make_batches()), windows.mean(axis=(0, 1)), rtol=1e-6)


def write_corpus(
    folder: Path, *, n_clips: int, n_frames: int, n_bins: int, format: str
) -> PairsFolder:
    """Frames and pairs on disk as the stages write them."""
    frames = FrameFolder(folder / "spectrogram")
    names = [f"clip{number}" for number in range(n_clips)]
    rng = np.random.default_rng(0)
    for name in names:
        frames.write(name, rng.uniform(0, 1, (n_frames, n_bins)))
    segments = [segment(0, n_frames - 1, clip=name) for name in names]
    index = index_windows(segments, "train", names, HOP, PAIRS)
    pairs = PairsFolder(folder / "pairs", frames.read)
    pairs.write(
        names,
        {"train": index},
        window_frames=PAIRS.window_frames,
        format=format,
        shard_windows=SHARD_WINDOWS,
    )
    return pairs


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 3])
def test_both_formats_give_the_same_batches(tmp_path: Path, seed: int | None) -> None:
    found = []
    for format in ("npy", "tfrecord"):
        pairs = write_corpus(tmp_path / format, n_clips=3, n_frames=60, n_bins=5, format=format)
        batches = pairs.batches("train", batch_size=16, seed=seed)
        assert len(batches) == 3
        found.append([batch for epoch in (0, 1) for batch in batches.epoch(epoch)])
    shards = sorted(path.name for path in (tmp_path / "tfrecord" / "pairs").glob("*.tfrecord"))
    assert shards == [f"train-{number:05d}.tfrecord" for number in range(4)]
    assert [batch.shape for batch in found[0]] == [(16, 9, 5), (16, 9, 5), (7, 9, 5)] * 2
    for left, right in zip(*found, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_tfrecord_shards_are_byte_stable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_corpus(tmp_path / name, n_clips=2, n_frames=40, n_bins=5, format="tfrecord")
    for shard in (tmp_path / "a" / "pairs").glob("*.tfrecord"):
        assert shard.read_bytes() == (tmp_path / "b" / "pairs" / shard.name).read_bytes()


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    peaks = []
    for n_clips in (4, 40):
        pairs = write_corpus(
            tmp_path / str(n_clips), n_clips=n_clips, n_frames=400, n_bins=128, format="npy"
        )
        tracemalloc.start()
        for _ in pairs.batches("train", batch_size=16, seed=0).epoch(0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    frames_bytes = 36 * 400 * 128 * 2
    assert peaks[1] - peaks[0] < frames_bytes / 10


def test_pairs_on_disk_are_indices_not_copies(tmp_path: Path) -> None:
    write_corpus(tmp_path, n_clips=1, n_frames=2584, n_bins=128, format="npy")
    assert sum(path.stat().st_size for path in (tmp_path / "pairs").iterdir()) < 20_000


def test_what_pairs_are_is_written_beside_them(tmp_path: Path) -> None:
    pairs = write_corpus(tmp_path, n_clips=2, n_frames=60, n_bins=5, format="npy")
    assert pairs.description() == {
        "format": "npy",
        "window_frames": 8,
        "shard_windows": SHARD_WINDOWS,
        "n_windows": {"train": 26},
        "clips": ["clip0", "clip1"],
    }


def test_a_part_without_windows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"the train part holds no window .*\(8\) frames"):
        write_corpus(tmp_path, n_clips=1, n_frames=5, n_bins=4, format="npy")
