"""Phases: tones run on at their own frequency, and rounds bring samples nearer to magnitudes."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import music
from signals import RATE_HZ, sine
from soundloom.spectral.phase import griffin_lim, tonal_phases

N_FFT, HOP = 1024, 256


def stft(samples: np.ndarray) -> np.ndarray:
    return librosa.stft(samples, n_fft=N_FFT, hop_length=HOP)


def recovered(samples: np.ndarray, start: str, n_iterations: int) -> np.ndarray:
    magnitudes = np.abs(stft(samples))
    if start == "tones":
        phases = tonal_phases(magnitudes, N_FFT, HOP)
    else:
        rng = np.random.default_rng(0)
        phases = rng.uniform(0.0, 2.0 * np.pi, magnitudes.shape).astype(np.float32)
    return griffin_lim(magnitudes, phases, N_FFT, HOP, n_iterations=n_iterations)


def error(samples: np.ndarray, other: np.ndarray) -> float:
    """Distance of the magnitudes, as a share of their size."""
    magnitudes = [np.abs(stft(audio[: len(other)])) for audio in (samples, other)]
    return float(np.linalg.norm(magnitudes[0] - magnitudes[1]) / np.linalg.norm(magnitudes[0]))


@pytest.mark.parametrize("frequency_hz", [233.1, 1000.0, 4321.0])
def test_a_sine_comes_back_at_once_but_for_its_phase(frequency_hz: float) -> None:
    samples = sine(frequency_hz)
    found = recovered(samples, "tones", 0)
    middle = slice(N_FFT, -2 * N_FFT)
    assert found[middle].std() == pytest.approx(samples[middle].std(), rel=0.02)
    spectrum = np.abs(np.fft.rfft(found[middle] * np.hanning(len(found[middle]))))
    bin_hz = RATE_HZ / len(found[middle])
    # A parabola through a Hann window's peak is off by 1.5 % of a bin (here 0.3 Hz) at most.
    assert abs(spectrum.argmax() * bin_hz - frequency_hz) <= 0.35 + 0.5 * bin_hz
    assert error(samples, found) < 0.1 < error(samples, recovered(samples, "random", 0))


def test_a_frame_turns_a_tone_by_its_frequency() -> None:
    frequency_hz = 20.25 * RATE_HZ / N_FFT
    magnitudes = np.abs(stft(sine(frequency_hz)))
    phases = tonal_phases(magnitudes, N_FFT, HOP)[20, 10:100]
    turns = np.angle(np.exp(1j * np.diff(phases)))
    wanted = 2 * np.pi * frequency_hz * HOP / RATE_HZ
    np.testing.assert_allclose(np.angle(np.exp(1j * (turns - wanted))), 0.0, atol=0.03)


def test_neighbours_in_a_tone_are_half_a_turn_apart() -> None:
    real = np.angle(stft(sine(20.25 * RATE_HZ / N_FFT)))[19:22, 50]
    found = tonal_phases(np.abs(stft(sine(20.25 * RATE_HZ / N_FFT))), N_FFT, HOP)[19:22, 50]
    for phases in (real, found):
        np.testing.assert_allclose(np.cos(np.diff(phases)), -1.0, atol=0.02)


def test_tones_are_a_better_start_than_random_phases() -> None:
    samples = music(4, RATE_HZ)
    errors = {
        (start, rounds): error(samples, recovered(samples, start, rounds))
        for start in ("tones", "random")
        for rounds in (0, 8)
    }
    assert errors["tones", 8] < 0.7 * errors["random", 8]
    assert errors["tones", 8] < errors["tones", 0] < errors["random", 0]


def test_true_phases_are_left_alone() -> None:
    samples = music(2, RATE_HZ)
    spectrum = stft(samples)
    back = griffin_lim(np.abs(spectrum), np.angle(spectrum), N_FFT, HOP, n_iterations=4)
    # The last frames' windows reach beyond the samples that the others make.
    inner = slice(0, len(back) - 4 * N_FFT)
    np.testing.assert_allclose(back[inner], samples[inner], atol=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_frames_without_a_peak_are_no_trouble(level: float) -> None:
    flat = np.full((N_FFT // 2 + 1, 20), level, np.float32)
    phases = tonal_phases(flat, N_FFT, HOP)
    assert np.isfinite(phases).all()
    samples = griffin_lim(flat, phases, N_FFT, HOP, n_iterations=2)
    assert np.isfinite(samples).all()
    assert (np.abs(samples).max() > 0) == (level > 0)


@given(seed=st.integers(0, 1000), n_fft=st.integers(64, 600))
@settings(max_examples=25, deadline=None)
def test_any_magnitudes_have_finite_phases(seed: int, n_fft: int) -> None:
    levels = [0.0, 1e-12, 0.3, 0.3000001]
    magnitudes = np.random.default_rng(seed).choice(levels, (n_fft // 2 + 1, 12))
    phases, again = (
        tonal_phases(magnitudes.astype(np.float32), n_fft, n_fft // 4) for _ in range(2)
    )
    assert phases.shape == magnitudes.shape
    assert np.isfinite(phases).all()
    np.testing.assert_array_equal(phases, again)
