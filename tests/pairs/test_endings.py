"""Endings: found where a song fades, not where it merely pauses, and cut from training alone."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Part, Segment
from soundloom.pairs.endings import ending_of, without_endings

MOMENT = 10
RATE_HZ, HOP = 1000, 100  # ten frames a second


def clip(name: str, offset_frames: int, n_frames: int, recording: str = "song") -> Clip:
    samples = (offset_frames * HOP, n_frames * HOP)
    return Clip(f"{name}.wav", recording, *samples, artist=None, licence=None, sha256="")


def frames(*spans: tuple[int, float]) -> np.ndarray:
    levels = np.concatenate([np.full(length, level) for length, level in spans])
    return np.repeat(levels[:, None], 4, axis=1).astype(np.float16)


@pytest.mark.parametrize(
    ("spans", "end"),
    [
        ([(300, 0.6)], 300),
        ([(300, 0.6), (60, 0.2)], 300),
        ([(40, 0.1), (300, 0.6)], 340),  # an intro
        ([(200, 0.6), (60, 0.1), (100, 0.6)], 360),  # a pause
        ([(300, 0.6), (60, 0.5)], 360),  # a softer verse
        ([(300, 0.6), (8, 0.0)], 308),  # the last chord's release
        ([(300, 0.0)], 300),
        ([(3, 0.4)], 3),
    ],
)
def test_where_it_ends(spans: list[tuple[int, float]], end: int) -> None:
    levels = frames(*spans).mean(axis=1, dtype=np.float64)
    assert abs(ending_of(levels, MOMENT) - end) <= MOMENT // 2


def test_a_fade_ends_where_it_has_lost_a_quarter() -> None:
    levels = np.concatenate([np.full(1000, 0.6), np.linspace(0.6, 0.0, 201)])
    assert abs(ending_of(levels, MOMENT) - 1050) <= MOMENT // 2


def test_training_is_cut_across_clips_and_nothing_else_is() -> None:
    held = {
        "a": frames((300, 0.6)),
        "b": frames((100, 0.6), (200, 0.2)),
        "c": frames((120, 0.1)),
        "other": frames((300, 0.15)),  # quiet all through: that is how it goes
    }
    # Not in the order of time: what counts is where they lie.
    clips = [clip("c", 600, 120), clip("a", 0, 300), clip("b", 300, 300)]
    clips.append(clip("other", 0, 300, "quiet song"))

    def segment(name: str, start: int, end: int, part: Part) -> Segment:
        return Segment(name, start * HOP, end * HOP, part)

    segments = [
        segment("a", 0, 300, "train"),
        segment("b", 0, 90, "train"),
        segment("b", 95, 300, "train"),
        segment("c", 0, 60, "train"),
        segment("c", 60, 120, "test"),
        segment("other", 0, 300, "train"),
    ]
    kept = without_endings(segments, clips, held.__getitem__, HOP, RATE_HZ)
    assert kept[:2] == segments[:2]
    assert kept[2].start_sample == 95 * HOP
    assert 95 * HOP < kept[2].end_sample <= 106 * HOP
    assert kept[3:] == segments[4:]
