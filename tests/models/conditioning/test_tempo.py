"""Tempi of clicks that are known, and bars of music that repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicks import FRAMES_PER_SECOND, N_BINS, click_frames
from params import small_config
from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.evaluation.metrics.rhythm import tempo_agrees
from soundloom.models.conditioning.tempo import Tempo, find_bar_lags
from soundloom.spectral.codec import FrameCodec

N = 3


@settings(max_examples=25, deadline=None)
@given(st.floats(90.0, 150.0), st.floats(0.0, 30.0))
def test_the_tempo_of_clicks(bpm: float, first_frame: float) -> None:
    tempo = Tempo.found_in(click_frames(bpm, first_frame), FRAMES_PER_SECOND)
    found_bpm = float(tempo.beats_per_frame[0]) * FRAMES_PER_SECOND * 60.0
    assert found_bpm == pytest.approx(bpm, rel=0.015)


@pytest.mark.slow
def test_the_tempo_of_the_built_in_band_in_five_seconds() -> None:
    changes = {"n_fft": 1280, "hop_samples": 256, "n_mels": 224}
    config = small_config({f"spectrogram.{key}": value for key, value in changes.items()})
    right = []
    for song in range(5):
        samples = perform(0, song, 15.0, 22_050)
        codec_range = FrameCodec.level_range(samples, config.spectrogram, 22_050)
        frames = FrameCodec.fit([codec_range], config.spectrogram, 22_050).encode(samples)
        parts = np.stack([frames[start : start + 430] for start in (0, 430, 860)])
        rate = config.spectrogram.frames_per_second(22_050)
        tempi = Tempo.found_in(parts, rate).beats_per_frame * rate * 60.0
        true_bpm = compose(0, song, 15.0).truth()["tempo_bpm"]
        right += [tempo_agrees(bpm, true_bpm) for bpm in tempi]
    assert np.mean(right) >= 0.9


def test_a_tempo_does_not_depend_on_those_beside_it() -> None:
    both = np.concatenate([click_frames(90.0, 3.0), click_frames(130.0, 11.0)])
    alone = Tempo.found_in(both[1:], FRAMES_PER_SECOND)
    beside = Tempo.found_in(both, FRAMES_PER_SECOND)
    np.testing.assert_array_equal(beside.beats_per_frame[1:], alone.beats_per_frame)
    np.testing.assert_allclose(beside.components[1:], alone.components, atol=1e-6)


def test_even_one_frame_and_one_bin_have_a_tempo() -> None:
    for n_frames, n_bins in ((1, N_BINS), (2, 1), (40, N_BINS)):
        frames = np.random.default_rng(0).random((3, n_frames, n_bins)).astype(np.float32)
        tempo = Tempo.found_in(frames, FRAMES_PER_SECOND)
        assert (tempo.beats_per_frame > 0.0).all()
        assert np.isfinite(tempo.components).all()


@pytest.mark.parametrize("period", [39, 40, 41])
def test_bars_are_set_right_by_what_repeats(period: int) -> None:
    bar = np.random.default_rng(period).standard_normal((period, N))
    music = np.tile(bar, (10, 1))[None, :300]
    lags = find_bar_lags(music, np.array([4.0 / 40.0]))
    np.testing.assert_array_equal(lags[0], [period, 2 * period, 4 * period])


def test_an_end_does_not_meet_the_beginning() -> None:
    onsets = np.zeros((1, 100, N))
    onsets[0, [5, 45], 0] = 1.0  # a bar of 40 steps
    onsets[0, [19, 80], 1] = 2.0  # 39 steps, were the sequence a circle
    assert find_bar_lags(onsets, np.array([4.0 / 40.0]))[0, 0] == 40


def test_bars_beyond_the_end_are_the_tempos() -> None:
    music = np.random.default_rng(0).standard_normal((2, 100, N))
    lags = find_bar_lags(music, np.array([4.0 / 40.3, 4.0 / 200.0]))
    assert abs(lags[0, 0] - 40) <= 2
    assert lags[0, 2] == 161
    np.testing.assert_array_equal(lags[1], [200, 400, 800])


def test_silence_has_bars_too() -> None:
    assert abs(find_bar_lags(np.zeros((1, 100, N)), np.array([0.1]))[0, 0] - 40) <= 1
