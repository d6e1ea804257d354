"""Samples of one channel, ``(n_samples,)``, and of two, ``(n_samples, 2)``: left, then right."""

from __future__ import annotations

import numpy as np


def n_channels(samples: np.ndarray) -> int:
    """1 of ``(n_samples,)``, 2 of ``(n_samples, 2)``."""
    return 1 if samples.ndim == 1 else samples.shape[1]


def in_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """``(n_samples,)`` for 1, ``(n_samples, 2)`` for 2, from either.

    Of stereo the mean of both channels, of mono the same on both sides.
    """
    if n_channels(samples) == channels:
        return samples
    return samples.mean(axis=1) if channels == 1 else np.stack([samples, samples], axis=1)
