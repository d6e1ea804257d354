"""Copies planted by hand are found where they were taken from; fresh sound is not found."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from signals import RATE_HZ, noise, silence, sine
from soundloom.band.mix import perform
from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.log_mel import frames_per_second, log_mel
from soundloom.evaluation.metrics.novelty import (
    Match,
    closest_pairs,
    highest_similarities,
    near_copy_share,
    nearest_passages,
)

RATE = frames_per_second(RATE_HZ)


@functools.cache
def songs() -> list[np.ndarray]:
    return [perform(0, track, 17.0, RATE_HZ) for track in range(3)]


@functools.cache
def heard() -> list[np.ndarray]:
    """The songs, as training audio."""
    return [log_mel(song, RATE_HZ) for song in songs()]


def matches_of(*samples: np.ndarray) -> list[Match]:
    return nearest_passages([log_mel(x, RATE_HZ) for x in samples], heard(), RATE)


@settings(max_examples=12, deadline=None)
@given(
    song=st.integers(0, 2),
    start=st.integers(0, 14 * RATE_HZ),
    gain_db=st.floats(-40.0, 12.0),
)
def test_an_excerpt_at_any_offset_and_gain(song: int, start: int, gain_db: float) -> None:
    excerpt = songs()[song][start : start + 3 * RATE_HZ] * 10 ** (gain_db / 20)
    (match,) = matches_of(excerpt.astype(np.float32))
    assert match.correlation > 0.95
    assert match.training_clip == song
    assert match.training_seconds == pytest.approx(start / RATE_HZ, abs=0.02)
    assert (match.generated_clip, match.generated_seconds) == (0, 0.0)


@pytest.mark.parametrize("change", ["equaliser", "noise"])
def test_a_disguised_excerpt(change: str) -> None:
    excerpt = songs()[1][4 * RATE_HZ + 77 :][: 5 * RATE_HZ]
    if change == "equaliser":
        treble = sosfilt(butter(1, 2000, "high", fs=RATE_HZ, output="sos"), excerpt)
        disguised = excerpt + 1.5 * treble
    else:
        disguised = excerpt + noise(5.0, rms=0.05 * float(excerpt.std()))
    for match in matches_of(disguised.astype(np.float32)):
        assert match.correlation > 0.9
        assert match.training_clip == 1
        assert match.training_seconds - match.generated_seconds == pytest.approx(4.0, abs=0.03)


def test_a_splice_of_excerpts() -> None:
    pieces = [(2, 1.0), (0, 14.0)]  # the second lies beyond the first block of alignments
    splice = [songs()[song][round(s * RATE_HZ) :][: round(2.5 * RATE_HZ)] for song, s in pieces]
    got = nearest_passages(
        [log_mel(np.concatenate([*splice, noise(0.1)]), RATE_HZ)], heard(), RATE, hop_seconds=2.5
    )
    assert [match.training_clip for match in got] == [2, 0]
    for match, (_, seconds) in zip(got, pieces, strict=True):
        assert match.correlation > 0.9
        assert match.training_seconds == pytest.approx(seconds, abs=0.05)


def test_fresh_sound_is_no_copy() -> None:
    fresh = [match.correlation for match in matches_of(noise(5.0), perform(0, 9, 10.0, RATE_HZ))]
    assert max(fresh) < 0.8
    assert max(match.correlation for match in matches_of(noise(5.0))) < 0.2
    assert near_copy_share(np.array(fresh)) == 0.0


def test_silence_and_a_held_tone_copy_nobody() -> None:
    for match in matches_of(silence(), sine(440.0)):
        assert match.correlation < 0.9
    held = [log_mel(x, RATE_HZ) for x in (silence(), silence())]
    (still,) = nearest_passages(held[:1], held[1:], RATE, hop_seconds=9.0)
    assert still.correlation == 0.0


def test_the_number_of_passages() -> None:
    got = matches_of(noise(5.0), noise(2.0), noise(2.6))
    assert [(match.generated_clip, round(match.generated_seconds, 1)) for match in got] == [
        (0, 0.0), (0, 1.3), (0, 2.5), (2, 0.0),
    ]  # fmt: skip
    assert matches_of(noise(1.0)) == []
    assert nearest_passages([], heard(), RATE) == []


def test_training_audio_too_short() -> None:
    with pytest.raises(SoundloomError, match=r"no training clip is 2\.5 s long"):
        nearest_passages(heard(), [heard()[0][:100]], RATE)


def test_share_of_near_copies() -> None:
    assert near_copy_share(np.array([0.95, 0.9, 0.89, 0.1])) == 0.5
    assert near_copy_share(np.array([0.95, 0.9, 0.89, 0.1]), threshold=0.05) == 1.0
    assert near_copy_share(np.array([])) == 0.0


def test_the_closest_pairs_do_not_overlap() -> None:
    given_matches = [
        Match(correlation, clip, seconds, 0, 0.0)
        for correlation, clip, seconds in (
            (0.5, 0, 0.0), (0.9, 0, 1.25), (0.8, 0, 2.5), (0.7, 1, 2.5), (0.6, 0, 3.75),
        )
    ]  # fmt: skip
    assert [match.correlation for match in closest_pairs(given_matches)] == [0.9, 0.7, 0.6]
    assert [match.correlation for match in closest_pairs(given_matches, 1)] == [0.9]
    assert closest_pairs([]) == []


def test_the_similarity_of_the_nearest_embeddings() -> None:
    training = [np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros((0, 2)), np.array([[-1.0, -1.0]])]
    generated = np.array([[3.0, 0.0], [1.0, 1.1], [-5.0, -5.0], [0.0, 0.0]])
    for block_windows in (1, 2, 3, 4096):
        similarities = highest_similarities(generated, training, block_windows)
        assert similarities == pytest.approx([1.0, 1.1 / np.hypot(1.0, 1.1), 1.0, 0.0])
    with pytest.raises(SoundloomError, match="no training embeddings"):
        highest_similarities(generated, training[:0])


def test_many_passages_and_windows_are_compared_in_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    song = [songs()[1][2 * RATE_HZ : 8 * RATE_HZ]]
    rng = np.random.default_rng(0)
    embeddings, training = rng.standard_normal((7, 5)), [rng.standard_normal((4, 5))] * 2
    at_once, similarities = matches_of(*song), highest_similarities(embeddings, training, 3)
    assert len(at_once) == 3
    monkeypatch.setattr("soundloom.evaluation.metrics.novelty._AT_ONCE", 2)
    in_lots = matches_of(*song)
    for one, other in zip(at_once, in_lots, strict=True):
        assert one == replace(other, correlation=one.correlation)
        assert one.correlation == pytest.approx(other.correlation, abs=1e-6)
    assert highest_similarities(embeddings, training, 3) == pytest.approx(similarities)
