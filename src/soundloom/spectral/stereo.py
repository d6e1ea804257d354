"""The stereo image ⇄ mid and side: what frames say of a sound's place, beside how it sounds.

The mid is the mean of both channels, which is what mono frames are made of; the side is half their
difference. Mid and side as two spectrograms would not do: they do not say which channel is the
louder. So the image has, of each of a few bands, how far to one side its sound lies, and how wide
it is: as much as parametric stereo coders keep (Breebaart, van de Par, Kohlrausch & Schuijers
2005), here as two numbers that are bounded. The side comes back as the part of it that follows the
mid, and one with the power of the rest that has nothing to do with it: the mid through an all-pass
filter. The mid itself is never touched.
"""

from __future__ import annotations

import functools

import librosa
import numpy as np
from scipy.ndimage import correlate1d

from soundloom.spectral.config import SpectrogramConfig

_N_BANDS = 10
N_VALUES = 2 * _N_BANDS
"""Values in a frame's image: the pan of each band, then the width of each."""

# Powers are means over this long: of a moment alone, two instruments seem to move about.
_SMOOTH_SECONDS = 0.15
# Below -80 dB re a full-scale sine a band is silent, and silence has no place.
_SILENT_AMPLITUDE = 1e-4
# The share of the side in the power of a band is kept below this: it is made of the mid, of which
# there is nothing where both channels are opposites.
_WIDEST_SHARE = 0.9
# Echoes of an attack are not made louder than this, to be as loud as it, in power.
_LOUDEST_ECHO = 4.0
_TINY = 1e-20
# Schroeder's all-pass sections (1962): delays that share no divisor, and the gain of each.
_DELAYS_SECONDS, _SECTION_GAIN, _RING_SECONDS = (0.0043, 0.0067, 0.0113), 0.6, 0.15


def stereo_image(samples: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples, 2)`` → ``(n_frames, N_VALUES)`` float32 in [0, 1], a row for each frame.

    Pan is 0 where all power is in the right channel, 0.5 where both have as much, 1 where all is in
    the left one. Width is the amplitude of the side as a share of both: the root of its share of
    the power of mid and side. It is 0 where both channels are the same, 0.71 where they have
    nothing to do with each other or all is in one, 1 where one is the other upside down.
    """
    left, right = samples.T
    mid, side = (_stft(part, config) for part in ((left + right) / 2, (left - right) / 2))
    power = functools.partial(_powers, config=config, sample_rate_hz=sample_rate_hz)
    of_mid, of_side = power(mid, mid), power(side, side)
    magnitude_per_amplitude = config.n_fft / 4  # of a sine: half of the window's sum
    silent = np.square(_SILENT_AMPLITUDE * magnitude_per_amplitude)
    total = of_mid + of_side + silent
    # The difference of the channels' powers is four times what mid and side have in common; their
    # sum is twice the sum of the powers of mid and side.
    pan, width = 2.0 * power(mid, side) / total, np.sqrt(of_side / total)
    return np.concatenate([0.5 + 0.5 * pan, width]).T.astype(np.float32)


def spread(
    mid: np.ndarray, image: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int
) -> np.ndarray:
    """Give ``(n_samples,)`` the place that ``image`` says: ``(n_samples, 2)`` float32.

    ``image`` is ``(n_frames, N_VALUES)`` in [0, 1], of as many frames as the samples have or more.
    Their mean is ``mid``.
    """
    direct = _stft(mid, config)
    echo = _stft(_decorrelated(mid, sample_rate_hz), config)
    pan, width = np.split(image[: direct.shape[1]].T, 2)
    share = np.minimum(np.square(width), _WIDEST_SHARE)
    side_to_mid = share / (1.0 - share)
    # What a model draws may be further to one side than it is wide.
    furthest = np.sqrt(side_to_mid)
    following = np.clip((pan - 0.5) / (1.0 - share), -furthest, furthest)
    rest = np.maximum(side_to_mid - np.square(following), 0.0)
    power = functools.partial(_powers, config=config, sample_rate_hz=sample_rate_hz)
    to_bins = _bands(config, sample_rate_hz).T
    of_direct = power(direct, direct) + _TINY
    # What the echo has in common with the mid by chance would be heard to one side.
    echo -= (to_bins @ (power(direct, echo) / of_direct)) * direct
    rest = rest * np.minimum(of_direct / (power(echo, echo) + _TINY), _LOUDEST_ECHO)
    side = librosa.istft(
        (to_bins @ following) * direct + (to_bins @ np.sqrt(rest)) * echo,
        hop_length=config.hop_samples,
        n_fft=config.n_fft,
        length=len(mid),
    )
    return np.stack([mid + side, mid - side], axis=1).astype(np.float32)


def _stft(samples: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """``(n_fft / 2 + 1, n_frames)`` complex64."""
    return librosa.stft(samples, n_fft=config.n_fft, hop_length=config.hop_samples)


def _powers(
    one: np.ndarray, other: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int
) -> np.ndarray:
    """What two spectra have in common in each band, over a while: ``(_N_BANDS, n_frames)``."""
    products = one.real * other.real + one.imag * other.imag
    of_bands = _bands(config, sample_rate_hz) @ products
    half = round(_SMOOTH_SECONDS / 2 * config.frames_per_second(sample_rate_hz))
    weights = np.hanning(2 * half + 3)[1:-1]
    return correlate1d(of_bands, weights / weights.sum(), axis=1, mode="constant")


@functools.cache
def _bands(config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(_N_BANDS, n_fft / 2 + 1)``: each bin's share in the bands around it, 1 together.

    Bands have their centres evenly spaced on the mel scale, from 0 Hz to half the rate.
    """
    centres = librosa.mel_frequencies(_N_BANDS, fmin=0.0, fmax=sample_rate_hz / 2)
    bins_hz = librosa.fft_frequencies(sr=sample_rate_hz, n_fft=config.n_fft)
    places = librosa.hz_to_mel(bins_hz) / librosa.hz_to_mel(centres[-1]) * (_N_BANDS - 1)
    shares = np.maximum(0.0, 1.0 - np.abs(np.arange(_N_BANDS)[:, None] - places))
    return shares.astype(np.float32)


def _decorrelated(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples,)`` through all-pass filters: as loud at every frequency, of other phases."""
    # Takes over a second to import, which mono need not wait for.
    from scipy.signal import lfilter, oaconvolve

    response = np.zeros(round(_RING_SECONDS * sample_rate_hz))
    response[0] = 1.0
    for delay in _DELAYS_SECONDS:
        coefficients = np.zeros(round(delay * sample_rate_hz) + 1)
        coefficients[0], coefficients[-1] = 1.0, _SECTION_GAIN
        response = lfilter(coefficients[::-1], coefficients, response)
    return oaconvolve(samples, response.astype(np.float32))[: len(samples)]
