"""Sound and pictures as the page holds them: as long, as clear, and the same bytes each time."""

import io

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread, imsave

from soundloom.reporting.media import encode_mp3, encode_webp, mp3_rate_hz


@pytest.mark.parametrize(
    ("rate_hz", "of_mp3"),
    [(8_000, 16_000), (22_000, 22_050), (22_050, 22_050), (44_100, 44_100), (192_000, 48_000)],
)
def test_mp3_keeps_all_of_the_band_that_it_can(rate_hz: int, of_mp3: int) -> None:
    assert mp3_rate_hz(rate_hz) == of_mp3


@pytest.mark.parametrize("n_samples", [1, 575, 22_050])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_mp3_is_as_long_as_what_it_was_made_of(
    rate_hz: int, n_samples: int, n_channels: int
) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (n_samples, n_channels)).astype(np.float32)
    mp3 = encode_mp3(samples, rate_hz)
    shipped, shipped_rate_hz = soundfile.read(io.BytesIO(mp3), always_2d=True)
    assert (shipped.shape, shipped_rate_hz) == (samples.shape, rate_hz)
    assert mp3 == encode_mp3(samples, rate_hz)


def test_a_webp_has_the_same_size_and_a_clear_ground() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 1, (32, 90, 4))
    pixels[..., 3] = np.arange(90) >= 45  # clear on the left
    png = io.BytesIO()
    imsave(png, pixels, format="png")
    webp = encode_webp(png.getvalue())
    assert webp == encode_webp(png.getvalue())
    shown = imread(io.BytesIO(webp), format="webp")
    assert shown.shape == pixels.shape
    np.testing.assert_array_equal(shown[..., 3] > 0, pixels[..., 3] > 0)
