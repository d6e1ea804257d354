"""Tempo, pulse and onsets of clicks that were set by hand."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba.np.ufunc.gufunc import GUFunc

from signals import RATE_HZ, chord, clicks, noise, silence, sine
from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.evaluation.metrics.rhythm import (
    beat_module,
    describe,
    onset_envelope,
    pulse_clarity,
    tempo_agrees,
    track_beats,
)


@pytest.mark.parametrize("bpm", [67.0, 90.0, 120.0, 151.0])
def test_clicks_are_counted(bpm: float) -> None:
    samples, n_clicks = clicks(bpm)
    got = describe(samples, RATE_HZ)
    assert got["tempo_bpm"] == pytest.approx(bpm, rel=0.01)
    assert got["pulse_clarity"] > 0.95
    assert got["beat_regularity"] > 0.97
    assert got["onsets_per_second"] == pytest.approx(n_clicks / 15.0, rel=0.05)


def test_beats_fall_on_the_clicks() -> None:
    beats = track_beats(*onset_envelope(clicks(120.0)[0], RATE_HZ)).seconds
    off_seconds = (np.array(beats) - 0.3 + 0.25) % 0.5 - 0.25
    assert np.abs(off_seconds).max() < 0.03
    assert len(beats) >= 26


def test_an_uneven_pulse_is_less_clear_and_less_regular() -> None:
    even, uneven = (describe(clicks(100.0, jitter=jitter)[0], RATE_HZ) for jitter in (0.0, 0.3))
    assert uneven["pulse_clarity"] < 0.5 * even["pulse_clarity"]
    assert uneven["beat_regularity"] < even["beat_regularity"] - 0.05


def test_noise_has_no_pulse() -> None:
    assert describe(noise(15.0), RATE_HZ)["pulse_clarity"] < 0.2


def test_a_slow_swell_is_no_pulse() -> None:
    """Its autocorrelation is high at every short lag, but has no peak there."""
    swell = 1.0 - np.cos(2 * np.pi * np.arange(1000) / 1000)
    assert pulse_clarity(swell, 86.0) == 0.0


@pytest.mark.parametrize(
    "still", [silence(), sine(440.0), chord(60, 64, 67)], ids=["silence", "sine", "chord"]
)
def test_what_holds_still_has_no_rhythm(still: np.ndarray) -> None:
    assert set(describe(still, RATE_HZ).values()) == {0.0}


def test_gain_and_rate_change_nothing() -> None:
    samples, _ = clicks(110.0)
    loud, quiet = describe(samples, RATE_HZ), describe(samples * 0.1, RATE_HZ)
    assert quiet == pytest.approx(loud, rel=0.02)
    faster = np.repeat(samples, 2)  # the same clicks at twice the rate
    assert describe(faster, 2 * RATE_HZ)["tempo_bpm"] == pytest.approx(110.0, rel=0.01)


@pytest.mark.parametrize("n_samples", [1, 500, RATE_HZ // 2, 3 * RATE_HZ])
def test_short_audio_gives_finite_numbers(n_samples: int) -> None:
    got = describe(clicks(120.0)[0][:n_samples], RATE_HZ)
    assert all(isinstance(value, float) and np.isfinite(value) for value in got.values())


def test_the_band_plays_in_time() -> None:
    for track in (0, 4):
        found = describe(perform(0, track, 15.0, RATE_HZ), RATE_HZ)
        assert tempo_agrees(found["tempo_bpm"], compose(0, track, 15.0).truth()["tempo_bpm"])
        assert found["pulse_clarity"] > 0.35


@pytest.mark.parametrize(
    ("found_bpm", "agrees"),
    [
        (120.0, True), (124.8, True), (125.0, False), (115.2, True), (115.0, False),
        (60.0, True), (62.4, True), (63.0, False), (240.0, True), (250.0, False),
        (360.0, True), (40.0, True), (90.0, False), (180.0, False), (0.0, False),
    ],
)  # fmt: skip
def test_tempo_agreement(found_bpm: float, agrees: bool) -> None:
    assert tempo_agrees(found_bpm, 120.0) is agrees


def test_numba_keeps_all_that_it_compiles_for_beats() -> None:
    plain = numba.guvectorize
    functions = [one for one in vars(beat_module()).values() if isinstance(one, GUFunc)]
    assert len(functions) >= 5
    assert all(one.gufunc_builder.cache for one in functions)  # type: ignore[attr-defined]
    assert numba.guvectorize is plain


def test_numba_is_changed_for_the_import_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is of the whole process, and other threads may be importing what uses it."""
    module = beat_module()
    monkeypatch.delattr(numba, "guvectorize")
    assert beat_module() is module
    assert not hasattr(numba, "guvectorize")
