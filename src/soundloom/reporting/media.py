"""Sound and pictures as small as a page wants them: MP3 and WebP, which every browser shows."""

from __future__ import annotations

import io

import numpy as np
import soundfile

# MPEG-1 and MPEG-2, layer III. Browsers differ over the still lower rates of MPEG-2.5.
MP3_RATES_HZ = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# LAME's V5: 47 kbit/s for mono at 22,050 Hz. It is not without trace: by musicnn, four
# continuations were a FAD of 2.1 from their WAV files (at V7, 40 kbit/s, 6.1; real from real audio
# is 4.6). What is measured is therefore always the WAV.
MP3_COMPRESSION = 0.5
WEBP_QUALITY = 30


def mp3_rate_hz(sample_rate_hz: int) -> int:
    """The least rate of MP3 that keeps all of sound at this one, or the highest there is."""
    return next((rate for rate in MP3_RATES_HZ if rate >= sample_rate_hz), MP3_RATES_HZ[-1])


def encode_mp3(samples: np.ndarray, sample_rate_hz: int) -> bytes:
    """``(n_samples, n_channels)`` float32 in [-1, 1], at a rate of ``MP3_RATES_HZ``, as MP3.

    It says how much the coder put before and behind, so browsers play as many samples.
    """
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        sample_rate_hz,
        format="MP3",
        bitrate_mode="VARIABLE",
        compression_level=MP3_COMPRESSION,
    )
    return file.getvalue()


def encode_webp(png: bytes) -> bytes:
    """A picture, PNG bytes, as WebP: a tenth of the bytes, its clear ground kept."""
    from matplotlib.image import imread, imsave

    file, pixels = io.BytesIO(), imread(io.BytesIO(png), format="png")
    imsave(file, pixels, format="webp", pil_kwargs={"quality": WEBP_QUALITY})
    return file.getvalue()
