"""Keys of scales and triads, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import RATE_HZ, chord, noise, silence, sine
from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.band.theory import SCALES
from soundloom.common.pitch import MODES, Key
from soundloom.evaluation.metrics.tonality import (
    chroma,
    chroma_entropy,
    describe,
    find_key,
    key_agreement,
)

keys = st.builds(Key, st.integers(0, 11), st.sampled_from(MODES))


def cadence(tonic: int, mode: str) -> np.ndarray:
    """The scale up, then the tonic triad: what says a key most plainly."""
    notes = [chord(60 + tonic + step, seconds=0.4) for step in SCALES[mode]]
    third = 4 if mode == "major" else 3
    triad = chord(60 + tonic, 60 + tonic + third, 67 + tonic, seconds=2.0)
    return np.concatenate([*notes, triad])


@pytest.mark.parametrize("tonic", [0, 3, 6, 10])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_scale_and_its_triad(tonic: int, mode: str) -> None:
    found = find_key(chroma(cadence(tonic, mode), RATE_HZ))
    assert found.key == Key(tonic, mode)
    assert found.clarity > 0.75


@given(st.integers(0, 11), st.sampled_from(["major", "minor"]))
def test_a_profile_is_its_own_key(tonic: int, mode: str) -> None:
    """Tonic, third and fifth alone, by hand; transposed with the key."""
    frame = np.zeros((1, 12))
    frame[0, [tonic, (tonic + (4 if mode == "major" else 3)) % 12, (tonic + 7) % 12]] = 1.0
    found = find_key(frame)
    assert found.key == Key(tonic, mode)
    assert found.clarity > 0.7


def test_chroma_knows_the_note_also_when_out_of_tune() -> None:
    for cents in (-40.0, 0.0, 40.0):
        frames = chroma(sine(440.0 * 2 ** (cents / 1200)), RATE_HZ)
        assert frames.shape[1] == 12
        assert np.argmax(frames.mean(axis=0)) == 9
        assert chroma_entropy(frames) < 0.2


def test_entropy_of_known_shares() -> None:
    assert chroma_entropy(np.eye(12)[:1]) == 0.0
    assert chroma_entropy(np.ones((3, 12))) == pytest.approx(1.0)
    two = np.eye(12)[:1] + np.eye(12)[7:8]
    assert chroma_entropy(two) == pytest.approx(np.log(2) / np.log(12))
    assert chroma_entropy(chroma(chord(60, 64, 67), RATE_HZ)) == pytest.approx(
        np.log(3) / np.log(12), abs=0.08
    )


def test_noise_uses_all_notes_alike() -> None:
    assert describe(noise(10.0), RATE_HZ)["chroma_entropy"] > 0.998


def test_silence_is_no_key() -> None:
    assert describe(silence(), RATE_HZ) == {"key_clarity": 0.0, "chroma_entropy": 1.0}
    assert find_key(chroma(silence(), RATE_HZ)).key == Key(0, "major")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate_hz", [8000, 44_100, 96_000])
@pytest.mark.parametrize("n_samples", [1, 900, 30_000])
def test_any_rate_and_length_gives_finite_numbers(rate_hz: int, n_samples: int) -> None:
    for samples in (sine(330.0)[:n_samples], np.ones(n_samples, np.float32)):
        for value in describe(samples, rate_hz).values():
            assert isinstance(value, float)
            assert 0.0 <= value <= 1.0


@pytest.mark.slow
def test_the_band_s_keys_are_found() -> None:
    scores = []
    for track in range(6):
        true = Key.parse(compose(0, track, 15.0).truth()["key"])
        found = find_key(chroma(perform(0, track, 15.0, RATE_HZ), RATE_HZ))
        scores.append(key_agreement(found.key, true))
    assert np.mean(scores) > 0.6  # 0.11 by chance


C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


@pytest.mark.parametrize(
    ("found", "true", "score"),
    [
        (C_MAJOR, C_MAJOR, 1.0),
        (Key(7, "major"), C_MAJOR, 0.5),
        (Key(5, "major"), C_MAJOR, 0.5),
        (A_MINOR, C_MAJOR, 0.3),
        (C_MAJOR, A_MINOR, 0.3),
        (Key(0, "minor"), C_MAJOR, 0.2),
        (Key(9, "major"), A_MINOR, 0.2),
        (Key(4, "minor"), C_MAJOR, 0.0),
        (Key(3, "major"), C_MAJOR, 0.0),
        (Key(3, "minor"), C_MAJOR, 0.0),
        (C_MAJOR, Key(0, "mixolydian"), 1.0),
        (Key(5, "major"), Key(0, "mixolydian"), 0.5),
    ],
)
def test_key_scores(found: Key, true: Key, score: float) -> None:
    assert key_agreement(found, true) == score


@given(keys, keys)
def test_every_key_agrees_with_itself_and_alike_both_ways(one: Key, other: Key) -> None:
    assert key_agreement(one, one) == 1.0
    assert key_agreement(one, other) == key_agreement(other, one)
