"""Arithmetic on samples, ``(n_samples,)`` or ``(n_samples, 2)``: rate, level, silence."""

from __future__ import annotations

import numpy as np
import soxr

# A signal that swings less than this to either side (-60 dBFS) is silence.
SILENCE_PEAK = 1e-3

# How far to either side of a peak a limiter's gain is lowered. No shorter than the half period of
# a low bass tone, whose shape it would bend.
_LIMITER_SECONDS = 0.05


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Samples at ``from_hz`` → ``n_samples * to_hz / from_hz`` of them, rounded, at ``to_hz``."""
    if from_hz == to_hz:
        return samples.astype(np.float32)
    return soxr.resample(samples.astype(np.float32), from_hz, to_hz, quality="HQ")


def within_full_scale(samples: np.ndarray) -> np.ndarray:
    """Scale down, never up, so that no sample lies outside [-1, 1]."""
    peak = float(np.abs(samples).max(initial=0.0))
    return (samples / peak if peak > 1.0 else samples).astype(np.float32)


def limited(samples: np.ndarray, sample_rate_hz: int, limit: float = 1.0) -> np.ndarray:
    """Turn peaks down, and only what is around them, so that no sample lies outside ±``limit``.

    A look-ahead limiter: at every sample the gain is a weighted mean (Hann) of the lowest gains
    needed around it, so it is never higher than needed here, and moves without a click. Audio
    within the limit, and all that is further than 50 ms from a peak, is untouched. Both sides of
    stereo are turned down together, so that nothing moves between them.
    """
    sizes = np.abs(samples.astype(np.float64))
    largest = sizes if sizes.ndim == 1 else sizes.max(axis=1)
    needed = np.minimum(1.0, limit / np.maximum(largest, 1e-12))
    if needed.min(initial=1.0) == 1.0:
        return samples.astype(np.float32)
    # Few get here, and they take a second to import.
    from scipy.ndimage import minimum_filter1d
    from scipy.signal import oaconvolve

    n_around = 2 * round(_LIMITER_SECONDS * sample_rate_hz / 2) + 1
    weights = np.hanning(n_around + 2)[1:-1]
    lowest = minimum_filter1d(needed, n_around, mode="nearest")
    # Through the spectrum, as thousands of weights would take longer than all else. Of what is
    # taken off, not of the gains: where nothing is, they are to be 1 but for rounding.
    taken_off = np.pad(1.0 - lowest, n_around // 2, mode="edge")
    gains = 1.0 - oaconvolve(taken_off, weights / weights.sum(), mode="valid")
    return np.clip((samples.T * gains).T, -limit, limit).astype(np.float32)


def is_silent(samples: np.ndarray) -> bool:
    """Whether nothing can be heard: the signal swings by less than ±0.001 (-60 dBFS).

    A constant offset is no sound, whatever its level.
    """
    return len(samples) == 0 or bool((np.ptp(samples, axis=0) < 2 * SILENCE_PEAK).all())
