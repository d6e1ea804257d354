"""Cutting into clips, by hand-counted examples and for every length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings import music
from soundloom.common.channels import in_channels
from soundloom.ingest.clips import (
    audible_clips,
    beginnings,
    clip_slices,
    is_all_silent,
    originals,
)


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [
        (0, []),
        (3, []),
        (4, [(0, 4)]),
        (10, [(0, 10)]),
        (13, [(0, 10)]),
        (14, [(0, 10), (10, 14)]),
        (30, [(0, 10), (10, 20), (20, 30)]),
    ],
)
def test_clips_are_consecutive_and_a_long_enough_remainder_is_kept(
    n_samples: int, expected: list[tuple[int, int]]
) -> None:
    parts = clip_slices(n_samples, clip_samples=10, min_clip_samples=4)
    assert [(part.start, part.stop) for part in parts] == expected


@given(st.integers(0, 500), st.integers(1, 100), st.data())
def test_clips_cover_a_recording_but_for_less_than_a_shortest_clip(
    n_samples: int, clip_samples: int, data: st.DataObject
) -> None:
    min_clip_samples = data.draw(st.integers(1, clip_samples))
    parts = clip_slices(n_samples, clip_samples, min_clip_samples)
    covered = [i for part in parts for i in range(part.start, part.stop)]
    assert covered == list(range(len(covered)))
    assert 0 <= n_samples - len(covered) < min_clip_samples
    assert all(min_clip_samples <= part.stop - part.start <= clip_samples for part in parts)


def test_silence_of_a_clips_length_gives_no_clip() -> None:
    samples = music(5, 1_000)
    samples[2_000:3_000] = 0
    clips = list(audible_clips(samples, clip_samples=1_000, min_clip_samples=500))
    assert [start for start, _ in clips] == [0, 1_000, 3_000, 4_000]
    for start, clip in clips:
        np.testing.assert_array_equal(clip, samples[start : start + 1_000])


@pytest.mark.parametrize("channels", [1, 2])
def test_what_moves_from_one_piece_to_the_next_is_no_silence(channels: int) -> None:
    steps = in_channels(np.repeat([0.3, 0.3, 0.3015, 0.3025], 10), channels)
    assert is_all_silent(steps[:30], 10)  # ±0.00075
    assert not is_all_silent(steps, 10)  # ±0.00125, in none of the pieces
    assert is_all_silent(steps[:0], 10)


def test_a_clip_that_was_cut_begins_as_the_whole_one_at_any_level() -> None:
    clip = music(6, 1_000)
    whole = beginnings(clip, 1_000)
    assert len(whole) == 5
    for n_samples in (2_000, 3_400, 3_500, 5_999):
        cut = clip[:n_samples] / 3
        cut[-400:] = 0.1  # as a decoder may leave the end
        assert beginnings(cut, 1_000) == whole[: (n_samples - 500) // 1_000]
    other = clip.copy()
    other[2_500] *= -1
    assert [one == two for one, two in zip(beginnings(other, 1_000), whole, strict=True)] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_silence_is_a_beginning_that_tells_nothing() -> None:
    clip = music(3, 1_000)
    clip[:1_200] = 1e-5
    assert len(beginnings(clip, 500)) == 3


def test_of_recordings_that_share_audio_the_longest_is_the_original_or_the_first() -> None:
    song, other = ((b"a", b"b", b"c"), (b"d", b"e")), ((b"a", b"z"),)
    cut, end = ((b"a", b"b"),), ((b"x",), (b"d", b"e"))
    assert originals([9, 20, 20, 9, 15], [cut, song, song, other, end]) == [1, 1, 1, 3, 1]
    assert originals([3, 3], [((),), ((),)]) == [0, 1]
