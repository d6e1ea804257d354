"""Levels of log-mel bands, and what passages of them see and do not see."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import music
from signals import RATE_HZ, noise, silence, sine
from soundloom.evaluation.metrics.log_mel import (
    FLOOR_DB,
    HIGHEST_HZ,
    LOWEST_HZ,
    N_BANDS,
    frames_per_second,
    log_mel,
    passage_blocks,
    passage_frames,
    passages,
)

RATE = frames_per_second(RATE_HZ)


def test_a_sine_sounds_in_its_band() -> None:
    frames = log_mel(sine(1000.0, 3.0), RATE_HZ)
    assert frames.dtype == np.float32
    assert frames.shape == (1 + 3 * RATE_HZ // round(RATE_HZ / RATE), N_BANDS)
    edges_hz = librosa.mel_frequencies(N_BANDS + 2, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)
    loudest = int(np.argmax(frames[100]))
    assert edges_hz[loudest] < 1000.0 < edges_hz[loudest + 2]
    half = log_mel(sine(1000.0, 3.0, 0.25), RATE_HZ)
    assert np.allclose(frames[100, loudest] - half[100, loudest], 6.02, atol=0.01)


def test_the_level_of_white_noise() -> None:
    """A Hann window passes 3/8 of its power into n_fft / 2 bins' worth of a sine's peak."""
    n_fft = 0.093 * RATE_HZ
    expected_db = 10 * np.log10(0.1**2 * n_fft * 3 / 8 * (4 / n_fft) ** 2)
    power = 10 ** (log_mel(noise(20.0, rms=0.1), RATE_HZ)[10:-10] / 10)
    assert np.allclose(10 * np.log10(power.mean(axis=0)), expected_db, atol=0.5)


def test_frames_are_centred_on_their_time() -> None:
    samples = silence(2.0)
    samples[RATE_HZ] = 1.0  # a click after one second
    frames = log_mel(samples, RATE_HZ)
    assert np.argmax(frames.mean(axis=1)) == pytest.approx(RATE, abs=1)
    assert frames[0].max() == FLOOR_DB


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 44_100, 96_000])
@pytest.mark.parametrize("n_samples", [0, 1, 5000])
def test_any_rate_and_length(rate_hz: int, n_samples: int) -> None:
    frames = log_mel(noise()[:n_samples], rate_hz)
    assert frames.shape[1] == N_BANDS
    assert len(frames) >= 1
    assert np.isfinite(frames).all()


@settings(max_examples=15, deadline=None)
@given(gain_db=st.floats(-30.0, 30.0), band_db=st.floats(-15.0, 15.0), start=st.integers(0, 200))
def test_gain_and_equalisation_leave_no_trace(gain_db: float, band_db: float, start: int) -> None:
    frames = log_mel(noise(6.0), RATE_HZ)  # every band within the audible range
    tilted = frames + gain_db + np.linspace(0.0, band_db, N_BANDS, dtype=np.float32)
    starts = np.array([start])
    n_frames = passage_frames(RATE)
    alike = passages(frames, starts, n_frames) @ passages(tilted, starts, n_frames).T
    assert alike[0, 0] == pytest.approx(1.0, abs=1e-4)


def test_a_product_is_the_correlation() -> None:
    frames = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    got = passages(frames, np.array([0, 11]), 16)
    taps = [frames[start : start + 16 : 4] for start in (0, 11)]
    first, second = ((tap - tap.mean(axis=0)).ravel() for tap in taps)
    assert got[0] @ got[1] == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-5)


def test_steady_passages_are_like_nothing() -> None:
    for samples in (silence(), sine(440.0), np.full(4 * RATE_HZ, 0.3, np.float32)):
        frames = log_mel(samples, RATE_HZ)[20:-20]
        assert not passages(frames, np.array([0]), passage_frames(RATE)).any()


def test_blocks_hold_every_passage_once() -> None:
    frames = log_mel(music(4.0, RATE_HZ), RATE_HZ)
    n_frames = passage_frames(RATE)
    every = passages(frames, np.arange(len(frames) - n_frames + 1), n_frames)
    blocks = list(passage_blocks(frames, n_frames, block_passages=50))
    assert [first for first, _ in blocks] == list(range(0, len(every), 50))
    assert np.array_equal(np.concatenate([block for _, block in blocks]), every)
    assert list(passage_blocks(frames[: n_frames - 1], n_frames)) == []
