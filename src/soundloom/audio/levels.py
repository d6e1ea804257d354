"""How loud audio is: levels of samples in [-1, 1], mono or stereo, in dB re full scale."""

from __future__ import annotations

import numpy as np

# Digital silence is given as this instead of minus infinity, which JSON cannot hold.
FLOOR_DBFS = -200.0


def peak_dbfs(samples: np.ndarray) -> float:
    """Level of the loudest sample, in dB re full scale."""
    return _dbfs(float(np.abs(samples).max(initial=0.0)))


def rms_dbfs(samples: np.ndarray) -> float:
    """Root mean square level, in dB re full scale (a full-scale square wave is 0, a sine -3.01)."""
    return _dbfs(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def side_to_mid_db(samples: np.ndarray) -> float:
    """How wide ``(n_samples, 2)`` is: the level of half its difference above that of its mean.

    0 where the channels have nothing to do with each other, less the more they have in common;
    within ±200.
    """
    left, right = samples.T
    return rms_dbfs((left - right) / 2) - rms_dbfs((left + right) / 2)


def _dbfs(amplitude: float) -> float:
    return max(20.0 * float(np.log10(max(amplitude, 1e-10))), FLOOR_DBFS)
