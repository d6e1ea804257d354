"""Fades, gaps, washes of noise and loops, put there by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals import RATE_HZ, chord, noise, silence, sine
from soundloom.band.mix import perform
from soundloom.evaluation.metrics.log_mel import frames_per_second, log_mel
from soundloom.evaluation.metrics.stability import (
    Loop,
    compare_ends,
    describe_recording,
    longest_loop,
    longest_silence_seconds,
    repetition,
)

RATE = frames_per_second(RATE_HZ)
SONG = perform(0, 0, 16.0, RATE_HZ)


def loop_of(samples: np.ndarray) -> Loop:
    return longest_loop(log_mel(samples, RATE_HZ), RATE)


def repeat(period_seconds: float, seconds: float) -> np.ndarray:
    """A piece of the song over and over; the period is no whole number of frames."""
    piece = SONG[3 * RATE_HZ :][: round(period_seconds * RATE_HZ)]
    return np.resize(piece, round(seconds * RATE_HZ))


def test_a_steady_fade() -> None:
    """12 dB over 20 s: between the middles of the first and last 3 s lie 17 of the 20."""
    gain_db = np.linspace(0.0, -12.0, 20 * RATE_HZ)
    got = compare_ends(noise(20.0) * 10 ** (gain_db / 20), RATE_HZ, end_seconds=3.0)
    assert got["level_drift_db"] == pytest.approx(-12.0 * 17 / 20, abs=0.1)
    assert got["flatness_ratio"] == pytest.approx(1.0, abs=0.02)
    assert got["flux_ratio"] == pytest.approx(1.0, abs=0.05)


def test_washing_out_and_freezing() -> None:
    def ends(*parts: np.ndarray) -> dict[str, float]:
        return compare_ends(np.concatenate(parts), RATE_HZ, end_seconds=3.0)

    to_noise = ends(SONG[: 5 * RATE_HZ], noise(5.0))
    assert to_noise["flatness_ratio"] > 3.0
    to_drone = ends(SONG[: 5 * RATE_HZ], chord(40, 47))
    assert to_drone["flatness_ratio"] < 0.1
    assert to_drone["flux_ratio"] < 0.1
    to_silence = ends(noise(5.0, rms=0.1), silence())
    assert to_silence["level_drift_db"] == pytest.approx(-80.0, abs=0.1)


def test_the_longest_silence() -> None:
    gaps = [noise(1.0), silence(0.5), noise(1.0), silence(1.5), noise(0.2)]
    assert longest_silence_seconds(np.concatenate(gaps), RATE_HZ) == pytest.approx(1.5, abs=0.02)
    assert longest_silence_seconds(silence(2.34), RATE_HZ) == pytest.approx(2.34, abs=1e-4)
    assert longest_silence_seconds(noise(), RATE_HZ) == 0.0
    assert longest_silence_seconds(noise(rms=0.9e-3), RATE_HZ) > 0.05  # -60.9 dBFS
    assert longest_silence_seconds(noise(rms=2e-3), RATE_HZ) == 0.0  # -54 dBFS


@pytest.mark.parametrize("period_seconds", [0.137, 0.41, 0.93, 1.7, 3.3])
def test_an_exact_loop_is_stuck_throughout(period_seconds: float) -> None:
    found = loop_of(repeat(period_seconds, 12.0))
    assert found.seconds == pytest.approx(12.0, abs=0.15)
    periods = found.period_seconds / period_seconds  # two periods are a period too
    assert abs(periods - round(periods)) * period_seconds < 0.02
    assert found.start_seconds < 0.15


def test_where_a_loop_sets_in() -> None:
    fresh = SONG[6 * RATE_HZ : 14 * RATE_HZ]
    found = loop_of(np.concatenate([fresh, repeat(0.93, 6.0)]))
    assert found.seconds == pytest.approx(6.0, abs=0.6)
    assert found.start_seconds == pytest.approx(8.0, abs=0.6)


def test_a_loop_under_a_little_noise() -> None:
    samples = repeat(0.93, 10.0)
    samples = samples + noise(10.0, rms=0.1 * float(samples.std()))
    assert loop_of(samples).seconds > 9.5


def test_a_held_chord_is_stuck_and_music_noise_and_silence_are_not() -> None:
    assert loop_of(chord(40, 47, 52)).seconds > 3.8
    assert loop_of(SONG).seconds < 3.0
    click = silence(10.0)
    click[5 * RATE_HZ] = 0.3
    for samples in (noise(10.0), silence(10.0), click):
        assert loop_of(samples) == Loop(0.0, 0.0, 0.0)


@settings(max_examples=10, deadline=None)
@given(gain_db=st.floats(-40.0, 0.0))
def test_gain_does_not_change_a_loop(gain_db: float) -> None:
    samples = np.concatenate([SONG[: 3 * RATE_HZ], repeat(0.5, 3.0)])
    quiet = (samples * 10 ** (gain_db / 20)).astype(np.float32)
    assert loop_of(quiet).seconds == pytest.approx(loop_of(samples).seconds, abs=0.1)


def test_repetition() -> None:
    def repeated(samples: np.ndarray) -> float:
        return repetition(log_mel(samples, RATE_HZ), RATE)

    # Three times, so that the passages across the first seam come again across the second.
    assert repeated(np.tile(SONG[: 5 * RATE_HZ], 3)) > 0.95
    assert repeated(noise(10.0)) < 0.15
    assert repeated(noise(10.0)) < repeated(SONG[: 10 * RATE_HZ]) < 0.9
    assert repeated(SONG[: 4 * RATE_HZ]) == 0.0  # no room for two passages
    assert repeated(silence(10.0)) == 0.0


def described(samples: np.ndarray) -> dict[str, float]:
    return describe_recording(samples, log_mel(samples, RATE_HZ), RATE_HZ)


def test_silence_and_short_audio_give_finite_numbers() -> None:
    assert described(silence()) == {
        "level_drift_db": 0.0,
        "flatness_ratio": 1.0,
        "flux_ratio": 1.0,
        "longest_silence_seconds": 4.0,
        "stuck_seconds": 0.0,
        "repetition": 0.0,
    }
    for n_samples in (1, 2, 500, 20_000, 70_000):
        for samples in (SONG[:n_samples], sine(440.0)[:n_samples]):
            got = described(samples).values()
            assert all(isinstance(value, float) and np.isfinite(value) for value in got)


def test_long_recordings_are_not_judged_by_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundloom.evaluation.metrics.stability.REPETITION_SECONDS", 6.0)
    start = np.concatenate([noise(2.0), SONG[: 4 * RATE_HZ]])
    whole = np.concatenate([start, start])  # all of it comes again, but too late to count
    # Alike but for the frames at the cut, whose windows reach beyond it.
    assert described(whole)["repetition"] == pytest.approx(described(start)["repetition"], abs=0.02)
    assert repetition(log_mel(whole, RATE_HZ), RATE) > described(whole)["repetition"] + 0.3
