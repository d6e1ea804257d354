"""Levels and spectra of signals worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals import RATE_HZ, noise, silence, sine
from soundloom.evaluation.metrics.dynamics import (
    centroid_hz,
    crest_db,
    describe,
    high_band_db,
    spectra,
    spectral_flatness,
    spectral_flux,
)


def test_a_sine() -> None:
    got = describe(sine(1000.0, amplitude=1.0), RATE_HZ)
    assert got["rms_dbfs"] == pytest.approx(-3.01, abs=0.01)
    assert got["crest_db"] == pytest.approx(3.01, abs=0.01)
    assert got["centroid_hz"] == pytest.approx(1000.0, rel=0.01)
    assert got["spectral_flatness"] < 1e-6
    assert got["spectral_flux"] < 1e-3
    assert got["high_band_db"] < -80.0


def test_white_noise() -> None:
    got = describe(noise(), RATE_HZ)
    assert got["rms_dbfs"] == pytest.approx(-20.0, abs=0.1)
    assert got["spectral_flatness"] > 0.97
    assert got["centroid_hz"] == pytest.approx(RATE_HZ / 4, rel=0.01)
    # The band from 8 kHz to 11 025 Hz is 0.274 of it.
    assert got["high_band_db"] == pytest.approx(10 * np.log10(1 - 8000 / 11_025), abs=0.1)


def test_a_square_wave_has_no_crest() -> None:
    assert crest_db(np.tile([0.5, -0.5], 1000)) == pytest.approx(0.0, abs=1e-6)


def test_flatness_of_known_spectra() -> None:
    frequencies_hz = np.arange(0.0, 10_001.0, 100.0)
    inside = (frequencies_hz >= 50) & (frequencies_hz <= 8000)
    power = np.where(np.arange(101) % 2, 1.0, 4.0) * inside
    flat = np.exp(np.mean(np.log(power[inside]))) / np.mean(power[inside])
    assert spectral_flatness(power[None], frequencies_hz) == pytest.approx(flat)
    assert spectral_flatness(np.ones((50, 101)), frequencies_hz) == pytest.approx(1.0)


@pytest.mark.parametrize(("rate_hz", "cut_hz"), [(RATE_HZ, 9000.0), (8000, 3700.0)])
def test_an_emptied_treble_does_not_count_as_tonal(rate_hz: int, cut_hz: float) -> None:
    """Noise low-passed by resampling or MP3 is still noise."""
    spectrum = np.fft.rfft(noise())
    spectrum[np.fft.rfftfreq(len(noise()), 1 / rate_hz) > cut_hz] = 0
    dull = np.fft.irfft(spectrum).astype(np.float32)
    assert spectral_flatness(*spectra(dull, rate_hz)) > 0.97


def test_flux_of_known_spectra() -> None:
    held, other = np.array([1.0, 0.0, 0.0]), np.array([0.0, 9.0, 0.0])
    assert spectral_flux(np.stack([held, held * 7])) == pytest.approx(0.0)
    assert spectral_flux(np.stack([held, other])) == pytest.approx(2.0)
    assert spectral_flux(np.stack([held, held, other])) == pytest.approx(1.0)
    assert spectral_flux(np.stack([held, 0 * held, other])) == 0.0  # a rest is no change


def test_centroid_of_known_spectra() -> None:
    frequencies_hz = np.array([0.0, 100.0, 200.0])
    assert centroid_hz(np.array([[0.0, 1.0, 9.0]]), frequencies_hz) == pytest.approx(175.0)
    assert centroid_hz(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1.0]]), frequencies_hz) == 150.0


def test_high_band_of_known_spectra() -> None:
    frequencies_hz = np.array([100.0, 7999.0, 8000.0])
    assert high_band_db(np.array([[90.0, 0.0, 10.0]]), frequencies_hz) == pytest.approx(-10.0)
    assert high_band_db(np.array([[90.0, 1.0, 0.0]]), frequencies_hz) == -120.0


def test_two_tones_across_eight_kilohertz() -> None:
    samples = sine(1000.0, amplitude=0.5) + sine(9000.0, amplitude=0.05)
    assert describe(samples, RATE_HZ)["high_band_db"] == pytest.approx(-20.04, abs=0.1)


def test_rests_are_left_out() -> None:
    whole = describe(noise(4.0), RATE_HZ)
    broken = describe(np.concatenate([noise(2.0), silence(4.0), noise(2.0, seed=1)]), RATE_HZ)
    for name in ("spectral_flatness", "centroid_hz", "spectral_flux", "high_band_db"):
        assert broken[name] == pytest.approx(whole[name], rel=0.05), name


def test_silence() -> None:
    assert describe(silence(), RATE_HZ) == {
        "rms_dbfs": -200.0,
        "crest_db": 0.0,
        "spectral_flatness": 0.0,
        "centroid_hz": 0.0,
        "spectral_flux": 0.0,
        "high_band_db": -120.0,
    }


@settings(max_examples=25, deadline=None)
@given(
    n_samples=st.integers(1, 20_000),
    rate_hz=st.sampled_from([8000, 22_050, 48_000, 96_000]),
    gain_db=st.floats(-40.0, 0.0),
)
def test_gain_moves_the_level_alone(n_samples: int, rate_hz: int, gain_db: float) -> None:
    samples = noise()[:n_samples].astype(np.float64)
    before = describe(samples, rate_hz)
    after = describe(samples * 10 ** (gain_db / 20), rate_hz)
    assert all(np.isfinite(list(after.values())))
    assert after.pop("rms_dbfs") - before.pop("rms_dbfs") == pytest.approx(gain_db, abs=0.01)
    if n_samples >= 200:  # the window leaves next to nothing of 2 ms at the edge of its only frame
        assert after == pytest.approx(before, rel=1e-3, abs=1e-3)
