"""Variations of training windows: lines move by the right bands, levels by the right decibels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soundloom.config import Config
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.spectrogram import bin_frequencies_hz
from soundloom.training.augment import Augment, shift_pitch, smooth_curve, time_stretch
from soundloom.training.config import AugmentConfig

RATE_HZ = 22_050


def codec_of(config: Config, channels: int = 1, **changes: Any) -> FrameCodec:
    spectrogram = config.spectrogram.model_copy(update={"n_mels": 96, **changes})
    # Ranges of its own for each bin, as a scaler of kind per_bin has them.
    low = np.linspace(-90.0, -80.0, spectrogram.n_bins)
    high = np.linspace(0.0, -20.0, spectrogram.n_bins)
    if spectrogram.amplitude == "log1p":
        low, high = np.zeros_like(low), np.log1p(spectrogram.log1p_gain * 10 ** (high / 20))
    return FrameCodec.fit([np.stack([low, high])], spectrogram, RATE_HZ, channels)


def only(config: Config, **limits: float) -> AugmentConfig:
    none = {"gain_db": 0.0, "pitch_semitones": 0.0, "time_stretch": 0.0, "eq_db": 0.0}
    return config.train.augment.model_copy(update={"share": 1.0, **none, **limits})


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


WINDOWS = 0.2 + 0.5 * rng(1).random((3, 107, 96), np.float32)


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("semitones", [2.0, -2.0, 12.0])
def test_a_line_moves_to_its_new_frequency(config: Config, kind: str, semitones: float) -> None:
    spectrogram = config.spectrogram.model_copy(update={"kind": kind})
    frequencies_hz = bin_frequencies_hz(spectrogram, RATE_HZ)
    line = int(np.abs(frequencies_hz - 2000.0).argmin())
    frames = np.zeros((2, len(frequencies_hz)), np.float32)
    frames[:, line - 1 : line + 2] = [0.5, 1.0, 0.5]
    wanted_hz = frequencies_hz[line] * 2 ** (semitones / 12)
    wanted = int(np.abs(frequencies_hz - wanted_hz).argmin())
    found = shift_pitch(frames, semitones, frequencies_hz)[0].argmax()
    assert abs(int(found) - wanted) <= (0 if kind == "mel" else 2)
    assert wanted != line


def test_two_semitones_are_four_bands_of_128(config: Config) -> None:
    # Slaney's scale above 1 kHz: 27 mels for a factor of 6.4. 129 steps reach 11 025 Hz.
    top_mel = 15 + 27 * np.log(11.025) / np.log(6.4)
    bands = 27 * np.log(2 ** (2 / 12)) / np.log(6.4) * 129 / top_mel
    assert round(bands) == 4
    spectrogram = config.spectrogram.model_copy(update={"n_mels": 128})
    frequencies_hz = bin_frequencies_hz(spectrogram, RATE_HZ)
    frames = np.zeros((1, 128), np.float32)
    frames[0, 80] = 1.0
    assert shift_pitch(frames, 2.0, frequencies_hz).argmax() == 84


def test_no_shift_changes_nothing_and_a_constant_stays_one() -> None:
    frequencies_hz = np.linspace(0.0, 1000.0, 96)
    same = shift_pitch(WINDOWS[0], 0.0, frequencies_hz)
    np.testing.assert_array_equal(same, WINDOWS[0])
    level = np.full((2, 96), 0.3, np.float32)
    np.testing.assert_allclose(shift_pitch(level, 1.7, frequencies_hz), level, rtol=1e-6)


def test_a_line_moved_there_and_back_is_as_sharp_as_before(config: Config) -> None:
    frequencies_hz = bin_frequencies_hz(config.spectrogram, RATE_HZ)
    line = np.exp(-0.5 * ((np.arange(len(frequencies_hz)) - 100.0) / 1.2) ** 2)[None]
    for semitones in np.linspace(-2.0, 2.0, 9):
        there = shift_pitch(line, semitones, frequencies_hz)
        back = shift_pitch(there, -semitones, frequencies_hz)
        assert np.abs(back - line).max() < 0.03


def test_a_time_stretch_reads_frames_at_another_speed() -> None:
    window = np.arange(100.0)[:, None]
    np.testing.assert_array_equal(time_stretch(window, 1.0, 10, 0.0)[:, 0], np.arange(10))
    np.testing.assert_array_equal(time_stretch(window, 2.0, 10, 1.0)[:, 0], np.arange(81, 100, 2))
    np.testing.assert_array_equal(time_stretch(window, 0.5, 4, 0.0)[:, 0], [0, 0, 1, 2])


@pytest.mark.parametrize("scaler", ["global", "per_bin"])
@pytest.mark.parametrize("amplitude", ["db", "log1p"])
def test_gain_is_a_gain(config: Config, scaler: str, amplitude: str) -> None:
    codec = codec_of(config, scaler=scaler, amplitude=amplitude)
    varied = Augment(only(config, gain_db=6.0), codec)(WINDOWS, rng())
    before, after = (codec.levels(frames.reshape(-1, 96)) for frames in (WINDOWS, varied))
    if amplitude == "log1p":
        before, after = (20 * np.log10(np.expm1(levels)) for levels in (before, after))
    unclipped = varied.reshape(-1, 96) < 0.999
    for number in range(3):
        gains = (after - before).reshape(3, -1)[number][unclipped.reshape(3, -1)[number]]
        assert gains.std() < 0.01
        assert 0.1 < abs(gains.mean()) <= 6.0


def test_what_lies_at_the_floor_stays_there(config: Config) -> None:
    windows = WINDOWS.copy()
    windows[:, :, 10:20] = 0.0
    limits = only(config, gain_db=20.0, eq_db=6.0)
    varied = Augment(limits, codec_of(config))(windows, rng(3))
    assert (varied[:, :, 10:20] == 0.0).all()
    assert (varied[:, :, 20:] > 0.0).any()


def test_silence_beside_music_stays_silence_at_another_pitch(config: Config) -> None:
    windows = WINDOWS.copy()
    windows[:, :, 30:60] = 0.0
    varied = Augment(only(config, pitch_semitones=2.0), codec_of(config))(windows, rng(3))
    assert (varied[:, :, 36:54] == 0.0).all()
    assert (varied[:, :, :24] > 0.0).all()


def test_an_equaliser_bends_all_frames_alike_and_smoothly(config: Config) -> None:
    codec = codec_of(config)
    varied = Augment(only(config, eq_db=4.0), codec)(WINDOWS, rng())
    curve = (codec.levels(varied[0]) - codec.levels(WINDOWS[0])).astype(np.float64)
    assert curve.std(axis=0).max() < 0.01
    assert 0.5 < np.abs(curve[0]).max() <= 4.0
    assert np.abs(np.diff(curve[0])).max() < 1.0


def test_smooth_curve_passes_through_its_points() -> None:
    points = np.array([0.0, 2.0, -1.0, 1.0])
    np.testing.assert_allclose(smooth_curve(points, 31)[::10], points, atol=1e-12)
    assert smooth_curve(points, 31)[5] == pytest.approx(1.0)


def test_windows_come_out_equally_long_and_in_range(config: Config) -> None:
    augment = Augment(config.train.augment.model_copy(update={"share": 0.5}), codec_of(config))
    varied = augment(np.concatenate([WINDOWS] * 8), rng())
    assert varied.shape == (24, 101, 96)  # 106 steps at 1.06 times the speed: 100 steps
    assert varied.dtype == np.float32
    assert 0.0 <= varied.min() <= varied.max() <= 1.0
    np.testing.assert_array_equal(varied, augment(np.concatenate([WINDOWS] * 8), rng()))
    starts = [
        any(np.array_equal(window, whole[start : start + 101]) for start in range(7))
        for window, whole in zip(varied, np.concatenate([WINDOWS] * 8), strict=True)
    ]
    assert 4 <= sum(starts) <= 20  # about half are only cut


def test_no_variation_is_no_change(config: Config) -> None:
    np.testing.assert_array_equal(
        Augment(only(config), codec_of(config)).n_frames(107), len(WINDOWS[0])
    )
    varied = Augment(only(config), codec_of(config))(WINDOWS, rng())
    np.testing.assert_allclose(varied, WINDOWS, atol=1e-5)


def test_sounds_stay_where_they_were(config: Config) -> None:
    limits = only(config, gain_db=6.0, pitch_semitones=2.0, eq_db=2.0)
    mono, stereo = codec_of(config), codec_of(config, channels=2)
    image = rng(2).random((*WINDOWS.shape[:2], stereo.n_bins - 96), np.float32)
    varied = Augment(limits, stereo)(np.concatenate([WINDOWS, image], axis=2), rng())
    np.testing.assert_array_equal(stereo.image(varied), image)
    np.testing.assert_array_equal(stereo.mid(varied), Augment(limits, mono)(WINDOWS, rng()))
