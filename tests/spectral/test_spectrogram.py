"""Samples ⇄ frames: known answers, the round trip, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import music
from soundloom.band.mix import perform
from soundloom.common.errors import SoundloomError
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.round_trip import round_trip_errors, spectral_convergence
from soundloom.spectral.spectrogram import analyse, bin_frequencies_hz, mel_filters

RATE_HZ = 22_050


def make_config(**changes: Any) -> SpectrogramConfig:
    values: dict[str, Any] = {
        "kind": "mel",
        "n_fft": 1024,
        "hop_samples": 256,
        "n_mels": 128,
        "amplitude": "db",
        "range_db": 80.0,
        "log1p_gain": 1000.0,
        "scaler": "global",
        "griffin_lim_iterations": 8,
        "n_previews": 0,
    }
    return SpectrogramConfig.model_validate(values | changes)


def fitted(samples: np.ndarray, config: SpectrogramConfig) -> FrameCodec:
    return FrameCodec.fit([FrameCodec.level_range(samples, config, RATE_HZ)], config, RATE_HZ)


@pytest.fixture(scope="module")
def band_track() -> np.ndarray:
    """Six seconds of the built-in band."""
    return perform(0, 0, 30.0, RATE_HZ)[8 * RATE_HZ : 14 * RATE_HZ]


def sine(frequency_hz: float, amplitude: float = 1.0, seconds: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def test_a_full_scale_sine_on_a_bin_is_0_db_there() -> None:
    config = make_config(kind="stft")
    frequency_hz = bin_frequencies_hz(config, RATE_HZ)[40]
    middle = analyse(sine(frequency_hz), config, RATE_HZ)[20]
    assert middle.argmax() == 40
    assert middle[40] == pytest.approx(0.0, abs=0.01)
    half = analyse(sine(frequency_hz, amplitude=0.5), config, RATE_HZ)[20]
    assert half[40] == pytest.approx(-6.02, abs=0.01)


def test_a_sine_lights_the_mel_band_of_its_frequency() -> None:
    config = make_config()
    for band in (20, 64, 110):
        frequency_hz = bin_frequencies_hz(config, RATE_HZ)[band]
        assert analyse(sine(frequency_hz), config, RATE_HZ)[20].argmax() == band


def test_log1p_of_a_full_scale_sine() -> None:
    config = make_config(kind="stft", amplitude="log1p")
    frequency_hz = bin_frequencies_hz(config, RATE_HZ)[40]
    assert analyse(sine(frequency_hz), config, RATE_HZ).max() == pytest.approx(
        np.log1p(1000.0), abs=0.01
    )


def test_a_click_lights_the_frames_whose_windows_hold_it() -> None:
    config = make_config()
    samples = np.zeros(8192, np.float32)
    samples[4096] = 1.0
    levels = analyse(samples, config, RATE_HZ).max(axis=1)
    lit = np.flatnonzero(levels > -150)
    # Frame 16 is centred on sample 4096; windows reach 512 samples to either side.
    assert lit.tolist() == [15, 16, 17]


def test_mel_filters_average() -> None:
    np.testing.assert_allclose(mel_filters(make_config(), RATE_HZ).sum(axis=1), 1.0, rtol=1e-5)


@given(n_samples=st.integers(1024, 30_000), hop=st.integers(16, 512))
@settings(max_examples=25, deadline=None)
def test_number_of_frames_is_as_predicted(n_samples: int, hop: int) -> None:
    config = make_config(hop_samples=hop)
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    frames = fitted(noise, config).encode(noise)
    assert frames.shape == (config.n_frames(n_samples), config.n_bins)
    assert frames.dtype == np.float32


@pytest.mark.parametrize("scaler", ["global", "per_bin"])
def test_training_audio_fills_the_range_and_other_audio_stays_in_it(scaler: str) -> None:
    codec = fitted(0.5 * music(4, RATE_HZ), make_config(scaler=scaler))
    frames = codec.encode(0.5 * music(4, RATE_HZ))
    assert frames.min() == 0.0
    assert frames.max() == pytest.approx(1.0, abs=1e-6)
    if scaler == "per_bin":
        np.testing.assert_allclose(frames.max(axis=0), 1.0, atol=1e-5)
    louder = codec.encode(music(4, RATE_HZ, seed=1))
    assert 0.0 <= louder.min() <= louder.max() <= 1.0


def test_the_scaler_knows_only_what_it_was_fitted_on() -> None:
    quiet, loud = 0.1 * music(4, RATE_HZ), music(4, RATE_HZ)
    config = make_config()
    assert fitted(quiet, config).to_json() != fitted(loud, config).to_json()
    assert fitted(quiet, config).encode(loud).max() == 1.0


def test_range_db_is_the_depth_below_the_loudest() -> None:
    document = fitted(music(4, RATE_HZ), make_config(range_db=40.0)).to_json()
    depth = document["scaler_maximum"][0] - document["scaler_minimum"][0]
    assert depth == pytest.approx(40.0, abs=1e-3)


# What 10 s of the built-in band lose, with some room: mel bands blur between harmonics.
@pytest.mark.parametrize(
    ("kind", "most_convergence", "most_error_db"), [("mel", 0.45, 1.2), ("stft", 0.25, 0.7)]
)
@pytest.mark.parametrize("amplitude", ["db", "log1p"])
def test_round_trip_of_a_band(
    band_track: np.ndarray,
    kind: str,
    amplitude: str,
    most_convergence: float,
    most_error_db: float,
) -> None:
    config = make_config(kind=kind, amplitude=amplitude)
    errors = round_trip_errors(band_track, fitted(band_track, config))
    assert errors["spectral_convergence"] < most_convergence
    assert errors["log_mel_error_db"] < most_error_db


def test_round_trip_errors_tell_good_from_bad(band_track: np.ndarray) -> None:
    good, bad = (
        round_trip_errors(band_track, fitted(band_track, make_config(n_mels=n_mels)))
        for n_mels in (128, 16)
    )
    assert bad["log_mel_error_db"] > 1.5 * good["log_mel_error_db"]


def test_a_decoded_sine_keeps_pitch_and_level() -> None:
    samples = sine(440.0, amplitude=0.5, seconds=2)
    decoded = fitted(samples, make_config(kind="stft")).decode(
        fitted(samples, make_config(kind="stft")).encode(samples)
    )
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
    assert spectrum.argmax() * RATE_HZ / len(decoded) == pytest.approx(440.0, abs=2.0)
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_silence_decodes_to_silence() -> None:
    codec = fitted(music(4, RATE_HZ), make_config())
    decoded = codec.decode(np.zeros((100, 128), np.float32))
    assert np.abs(decoded).max() < 1e-3


def test_the_same_frames_decode_to_the_same_samples() -> None:
    samples = music(2, RATE_HZ)
    codec = fitted(samples, make_config(griffin_lim_iterations=4))
    frames = codec.encode(samples)
    np.testing.assert_array_equal(codec.decode(frames), codec.decode(frames))


@pytest.mark.parametrize("n_samples", [1, 5000, 25_344])
def test_decoded_length(n_samples: int) -> None:
    codec = fitted(music(2, RATE_HZ), make_config(griffin_lim_iterations=2))
    assert len(codec.decode(np.full((100, 128), 0.5, np.float32), n_samples)) == n_samples


def test_decode_does_not_change_its_input() -> None:
    frames = np.random.default_rng(0).uniform(-0.5, 1.5, (20, 128)).astype(np.float32)
    before = frames.copy()
    fitted(music(2, RATE_HZ), make_config(griffin_lim_iterations=1)).decode(frames)
    np.testing.assert_array_equal(frames, before)


def test_what_decode_refuses() -> None:
    codec = fitted(music(2, RATE_HZ), make_config())
    with pytest.raises(SoundloomError, match=r"shape \(5, 64\); this codec decodes \(n, 128\)"):
        codec.decode(np.zeros((5, 64), np.float32))
    with pytest.raises(SoundloomError, match="NaN"):
        codec.decode(np.full((5, 128), np.nan, np.float32))
    with pytest.raises(SoundloomError, match="5 frames span 1024 samples, not 2000"):
        codec.decode(np.zeros((5, 128), np.float32), 2000)


@pytest.mark.parametrize("scaler", ["global", "per_bin"])
def test_a_codec_survives_json(scaler: str) -> None:
    codec = fitted(music(2, RATE_HZ), make_config(scaler=scaler))
    again = FrameCodec.from_json(json.loads(json.dumps(codec.to_json())))
    samples = music(2, RATE_HZ, seed=3)
    np.testing.assert_array_equal(again.encode(samples), codec.encode(samples))


def test_spectral_convergence() -> None:
    reference = np.array([[3.0, 4.0]])
    assert spectral_convergence(reference, reference) == 0.0
    assert spectral_convergence(reference, np.zeros((1, 2))) == 1.0
    assert spectral_convergence(reference, np.array([[3.0, 3.0]])) == pytest.approx(0.2)
