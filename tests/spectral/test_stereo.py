"""The stereo image: sounds come back on the side they were on, and as wide as they were."""

from __future__ import annotations

import numpy as np
import pytest

from recordings import music
from soundloom.config import Config
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.stereo import N_VALUES, spread, stereo_image

RATE_HZ = 22_050
# Where no analysis window reaches beyond the ends, nor does a smoothed power.
WHOLE = slice(RATE_HZ // 4, -RATE_HZ // 4)


@pytest.fixture(params=["mel", "stft"])
def spectrogram(request: pytest.FixtureRequest, config: Config) -> SpectrogramConfig:
    return config.spectrogram.model_copy(update={"kind": request.param})


def tone(frequency_hz: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ) / RATE_HZ)).astype("f4")


def noise(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(2 * RATE_HZ)).astype("f4")


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


def again(samples: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """Stereo made of its own mid and its image."""
    image = stereo_image(samples, config, RATE_HZ)
    return spread(samples.mean(axis=1), image, config, RATE_HZ)


def level_db(samples: np.ndarray) -> np.ndarray:
    """Of each channel."""
    powers = np.square(samples[WHOLE], dtype=np.float64).mean(axis=0)
    return np.asarray(10 * np.log10(powers + 1e-20))


def test_of_mono_the_side_is_silent(spectrogram: SpectrogramConfig) -> None:
    samples = music(2, RATE_HZ)
    image = stereo_image(stereo(samples, samples), spectrogram, RATE_HZ)
    assert image.shape == (1 + len(samples) // spectrogram.hop_samples, N_VALUES)
    pan, width = np.split(image, 2, axis=1)
    assert (pan == 0.5).all()
    assert (width == 0.0).all()
    spreaded = spread(samples, image, spectrogram, RATE_HZ)
    assert np.array_equal(spreaded, stereo(samples, samples))


def test_silence_has_no_place(spectrogram: SpectrogramConfig) -> None:
    quiet = 1e-6 * stereo(noise(1), noise(2))
    pan, width = np.split(stereo_image(quiet, spectrogram, RATE_HZ), 2, axis=1)
    assert np.abs(pan - 0.5).max() < 0.01
    assert width.max() < 0.1


def test_hard_panned_tones_come_back_on_their_sides(spectrogram: SpectrogramConfig) -> None:
    samples = stereo(tone(440.0), tone(2000.0))
    made = again(samples, spectrogram)
    np.testing.assert_allclose(level_db(made), level_db(samples), atol=0.1)
    spectrum = np.abs(np.fft.rfft(made[WHOLE] * np.hanning(len(made[WHOLE]))[:, None], axis=0))
    hz = np.fft.rfftfreq(len(made[WHOLE]), 1 / RATE_HZ)
    low, high = (spectrum[np.abs(hz - wanted).argmin()] for wanted in (440.0, 2000.0))
    assert low[0] > 100 * low[1]
    assert high[1] > 100 * high[0]


@pytest.mark.parametrize("left_db", [-20.0, -6.0, 3.0, 12.0])
def test_the_difference_of_levels_is_kept(spectrogram: SpectrogramConfig, left_db: float) -> None:
    samples = stereo(np.float32(10 ** (left_db / 20)) * noise(1), noise(1))
    np.testing.assert_allclose(level_db(again(samples, spectrogram)), level_db(samples), atol=0.2)


def test_channels_with_nothing_in_common_come_back_so(spectrogram: SpectrogramConfig) -> None:
    samples = stereo(noise(1), np.float32(0.5) * noise(2))
    made = again(samples, spectrogram)
    np.testing.assert_allclose(level_db(made), level_db(samples), atol=0.5)
    assert abs(np.corrcoef(made[WHOLE].T)[0, 1]) < 0.05


def test_the_mean_of_both_sides_is_the_mid(spectrogram: SpectrogramConfig) -> None:
    mid = music(1, RATE_HZ)
    n_frames = 1 + len(mid) // spectrogram.hop_samples
    for seed in range(3):  # any image, as a model may draw one that no sound has
        image = np.random.default_rng(seed).random((n_frames, N_VALUES), np.float32)
        made = spread(mid, image, spectrogram, RATE_HZ)
        np.testing.assert_allclose(made.mean(axis=1), mid, atol=1e-6)
        # The side is at most as loud as the widest image has it, 9.5 dB above the mid.
        side = (made[:, 0] - made[:, 1]) / 2
        assert np.square(side).mean() < 9 * np.square(mid).mean()


def test_frames_of_stereo_are_those_of_its_mid_and_the_image(config: Config) -> None:
    samples = stereo(music(1, RATE_HZ, 1), music(1, RATE_HZ, 2))
    ranges = [FrameCodec.level_range(samples, config.spectrogram, RATE_HZ)]
    codec = FrameCodec.fit(ranges, config.spectrogram, RATE_HZ, channels=2)
    frames, mid_frames = codec.encode(samples), codec.mono.encode(samples.mean(axis=1))
    assert frames.shape == (len(mid_frames), codec.n_bins)
    assert codec.n_bins == config.spectrogram.n_bins + N_VALUES
    assert np.array_equal(codec.mid(frames), mid_frames)
    decoded = codec.decode(frames)
    assert decoded.shape == (len(samples) // codec.config.hop_samples * codec.config.hop_samples, 2)
    np.testing.assert_allclose(decoded.mean(axis=1), codec.mono.decode(mid_frames), atol=1e-6)
    # Mono given to it lies in the middle.
    assert np.array_equal(codec.mid(codec.encode(samples.mean(axis=1))), mid_frames)
    made = codec.decode(codec.encode(samples.mean(axis=1)))
    assert np.array_equal(made[:, 0], made[:, 1])


def test_a_codec_of_stereo_is_read_back_and_one_of_mono_says_nothing(config: Config) -> None:
    ranges = [FrameCodec.level_range(music(1, RATE_HZ), config.spectrogram, RATE_HZ)]
    for channels in (1, 2):
        codec = FrameCodec.fit(ranges, config.spectrogram, RATE_HZ, channels)
        document = codec.to_json()
        assert ("channels" in document) == (channels == 2)
        assert FrameCodec.from_json(document).channels == channels
