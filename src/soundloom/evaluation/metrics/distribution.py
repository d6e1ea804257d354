"""How far the values of one descriptor lie from those of real audio, beside real from real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from soundloom.common.errors import SoundloomError

# A ratio of two distances below this share of the spread says nothing.
_LEAST_DISTANCE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """Distances in standard deviations of the real values; ``ratio`` is the first over the second.

    A ratio near 1 says: as near to real audio as real audio is to itself.
    """

    generated_to_real: float
    real_to_real: float
    ratio: float


def normalised_distance(found: np.ndarray, reference: np.ndarray) -> float:
    """1-D Wasserstein distance over the standard deviation of ``reference``.

    Values shifted by one standard deviation give 1. A reference that does not vary is given
    a spread of 1e-6 of its size (or 1e-6). Samples of one distribution are apart too: two of
    ``n`` normal values by about 1.8 / sqrt(n). Raises :class:`SoundloomError` when either is empty.
    Source: Ramdas, Garcia Trillos & Cuturi 2017.
    """
    if not len(found) or not len(reference):
        raise SoundloomError(
            f"distribution: {len(found)} values against {len(reference)}; at least 1 each"
        )
    return float(wasserstein_distance(found, reference)) / _spread(reference)


def compare(
    generated: np.ndarray,
    real: np.ndarray,
    *,
    real_groups: np.ndarray | None = None,
    n_splits: int = 200,
    seed: int = 0,
) -> Comparison:
    """Generated values against held-out real ones, and real ones against each other.

    ``generated`` (n,), ``real`` (m,). ``n_splits`` times the real values are split in halves at
    random; one half is compared with the other and with as many generated values. Equal counts
    carry an equal share of chance, so the ratio is near 1 for equal distributions however small
    the samples. With few values it is blind rather than wrong: a shift of one standard deviation
    gives 1.4 for 4 or 8 values on either side, 2.7 for 40.

    Windows of one clip are alike: name each real value's clip in ``real_groups`` (m,) and whole
    clips are put on one side or the other, or real audio would look nearer to itself than it is.
    Raises :class:`SoundloomError` for fewer than 2 generated values or 4 real ones (or clips).
    """
    groups = np.arange(len(real)) if real_groups is None else np.asarray(real_groups)
    names = np.unique(groups)
    if len(generated) < 2 or len(names) < 4:
        raise SoundloomError(
            f"distribution: {len(generated)} generated values against {len(names)} real clips; "
            "at least 2 against 4"
        )
    rng = np.random.default_rng(seed)
    to_real, among_real = [], []
    for _ in range(n_splits):
        side = np.isin(groups, rng.permutation(names)[: len(names) // 2])
        halves = rng.permutation(real[side]), rng.permutation(real[~side])
        n_values = min(len(halves[0]), len(halves[1]), len(generated))
        reference = halves[0][:n_values]
        to_real.append(wasserstein_distance(rng.permutation(generated)[:n_values], reference))
        among_real.append(wasserstein_distance(halves[1][:n_values], reference))
    spread = _spread(real)
    generated_to_real = float(np.mean(to_real)) / spread
    real_to_real = float(np.mean(among_real)) / spread
    ratio = (generated_to_real + _LEAST_DISTANCE) / (real_to_real + _LEAST_DISTANCE)
    return Comparison(generated_to_real, real_to_real, ratio)


def _spread(reference: np.ndarray) -> float:
    values = np.asarray(reference, np.float64)
    size = float(np.abs(values).max())
    return max(float(values.std()), 1e-6 * size if size > 0 else 1e-6)
