"""Cutting into clips, by hand-counted examples and for every length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings import music
from soundloom.ingest.clips import audible_slices, audio_digest, clip_slices, first_of_its_kind


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
    parts = audible_slices(samples, clip_samples=1_000, min_clip_samples=500)
    assert [part.start for part in parts] == [0, 1_000, 3_000, 4_000]


def test_a_digest_is_of_the_samples_alone() -> None:
    samples = music(1, 1_000)
    assert audio_digest(samples) == audio_digest(np.repeat(samples, 2)[::2])
    other = samples.copy()
    other[500] = np.nextafter(other[500], np.float32(1))
    assert audio_digest(samples) != audio_digest(other)


def test_replicas_point_to_the_first_of_their_kind() -> None:
    assert first_of_its_kind(["a", "b", "a", "c", "b", "a"]) == [0, 1, 0, 3, 1, 0]
