"""How far one set of recordings lies from another, judged by embeddings or tags of their windows.

Every set is ``(n_windows, size)``, one row a window. All is computed in float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from scipy.spatial.distance import jensenshannon, pdist
from scipy.special import rel_entr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from soundloom.common.errors import SoundloomError

# Of MAUVE, as published.
_MAUVE_SCALE, _MIXTURES, _EXPLAINED, _KMEANS_STARTS = 5.0, 25, 0.9, 5
_WINDOWS_A_CLUSTER = 10
_SAME = 1e-9


def frechet_distance(reference: np.ndarray, sample: np.ndarray) -> float:
    """Squared Fréchet distance between Gaussians fitted to two sets of embeddings (FAD).

    ``|m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)``. Source: Dowson & Landau 1982; for audio, Kilgour et
    al. 2019 (arXiv 1812.08466). From 0; symmetric; any number of windows from 2 up, also fewer than
    the embedding has values.

    It is biased: two small sets of the very same music do not come out as 0 but above, and the
    higher the fewer windows, because each covariance is estimated from few values. A figure
    therefore means something beside one measured with as many windows only: take at least 200 a
    set, equally many everywhere, and give real music against real music as the floor. Windows
    that overlap, or come from few recordings, count for less than their number.

    Raises :class:`SoundloomError` on sets that are not alike in size, finite, and 2 windows long.
    """
    reference, sample = _sets(reference, sample)
    means = [windows.mean(axis=0) for windows in (reference, sample)]
    factors = [_covariance_factor(windows) for windows in (reference, sample)]
    # With C = FᵀF, tr (C₁C₂)^½ is the sum of the singular values of F₁F₂ᵀ: unlike the root of a
    # product of covariances this stays real and exact when they are singular.
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    variances = sum(float(np.square(factor).sum()) for factor in factors)
    return float(np.square(means[0] - means[1]).sum() + max(variances - 2.0 * shared, 0.0))


def kernel_distance(reference: np.ndarray, sample: np.ndarray) -> float:
    """1000 times the squared maximum mean discrepancy of two sets of embeddings (KAD).

    A Gaussian kernel whose bandwidth is the median distance between reference windows; the unbiased
    estimate of Gretton et al. 2012. Source: Chung et al. 2025 (arXiv 2502.15602); the factor 1000
    is for reading and others take 100. From about 0 (one distribution) to 2000.

    Unlike :func:`frechet_distance` it assumes no Gaussians and is right on average at any number of
    windows, so that it may come out slightly negative; few windows make it noisy, not high. The
    windows must not repeat: it takes a copy for a sign of difference. Not symmetric, because the
    bandwidth is the reference's: keep one reference throughout.

    Raises :class:`SoundloomError` as :func:`frechet_distance`, or if half of the reference's pairs
    are equal.
    """
    reference, sample = _sets(reference, sample)
    bandwidth = float(np.median(pdist(reference)))
    if bandwidth == 0.0:
        raise SoundloomError("the reference's windows are mostly equal: they give no bandwidth")
    gamma = 0.5 / bandwidth**2
    within = [_mean_of_pairs(rbf_kernel(windows, gamma=gamma)) for windows in (reference, sample)]
    across = rbf_kernel(reference, sample, gamma=gamma).mean()
    return 1000.0 * float(sum(within) - 2.0 * across)


def quantised(
    reference: np.ndarray, sample: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each window's cluster, ``(n_windows, 1)`` of either set, for :func:`mauve_divergence`.

    Embeddings of norm 1, their principal components that hold 90 % of the variance, and k-means of
    both sets together with a tenth as many clusters as the smaller has windows, 2 at least: as
    Pillutla et al. 2021 do. Raises :class:`SoundloomError` as :func:`frechet_distance`.
    """
    sets = _sets(reference, sample)
    windows = np.concatenate(sets)
    windows /= np.maximum(np.linalg.norm(windows, axis=1, keepdims=True), 1e-12)
    if np.ptp(windows, axis=0).max() > _SAME:
        windows = PCA(_EXPLAINED, svd_solver="full").fit_transform(windows)
    n_clusters = max(2, round(min(map(len, sets)) / _WINDOWS_A_CLUSTER))
    # More clusters than windows that differ is a warning, and no error: some stay empty.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(n_clusters, n_init=_KMEANS_STARTS, random_state=seed).fit_predict(windows)
    return clusters[: len(reference), None], clusters[len(reference) :, None]


def mauve_divergence(reference: np.ndarray, sample: np.ndarray) -> float:
    """-log of MAUVE of two sets' clusters, ``(n_windows, 1)`` of :func:`quantised` (MAD).

    From 0, for equal shares of the clusters, to 5.5, for none in common. MAUVE is the area under
    the curve of ``exp(-5 KL(P|R))`` over ``exp(-5 KL(Q|R))``, where the mixture ``R`` goes from one
    set to the other: it falls if the sample holds what the reference does not, and if it lacks what
    the reference holds. Source: Pillutla et al. 2021 (arXiv 2102.01454); for music, Huang et al.
    2025 (arXiv 2503.16669). Symmetric. Few windows lift it, as they do FAD.
    """
    n_clusters = int(max(reference.max(), sample.max())) + 1
    shares = [
        np.bincount(side[:, 0], minlength=n_clusters) / len(side) for side in (reference, sample)
    ]
    weights = np.linspace(1e-6, 1.0 - 1e-6, _MIXTURES)[:, None]
    mixtures = weights * shares[0] + (1.0 - weights) * shares[1]
    # From one extreme, where the divergence of the other set is infinite, to the other.
    first, second = (
        np.exp(-_MAUVE_SCALE * rel_entr(side, mixtures).sum(axis=1)) for side in shares
    )
    first, second = np.concatenate([[0.0], first, [1.0]]), np.concatenate([[1.0], second, [0.0]])
    area = np.trapezoid(second, first)
    return float(-np.log(area))


def tag_profile(tags: np.ndarray) -> np.ndarray:
    """Mean activation of each tag, ``(n_windows, n_tags)`` in [0, 1] → ``(n_tags,)``."""
    return np.asarray(tags, dtype=np.float64).mean(axis=0)


def profile_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Jensen-Shannon distance between two tag profiles: 0 for equal shares, 1 for no tag in common.

    The profiles are scaled to sum 1 first, so that only each tag's share counts. It is the square
    root of the divergence in bits, a metric. Source: Endres & Schindelin 2003.

    Raises :class:`SoundloomError` on profiles of unlike lengths, or that are negative or all zero.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise SoundloomError(f"tag profiles have shapes {first.shape} and {second.shape}")
    for profile in (first, second):
        if not (np.isfinite(profile).all() and profile.min() >= 0.0 and profile.sum() > 0.0):
            raise SoundloomError("tag profiles must be finite, not negative and not all zero")
    # Rounding may leave the divergence of equal profiles below 0, whose root is no number.
    with np.errstate(invalid="ignore"):
        distance = float(
            jensenshannon(first.astype(np.float64), second.astype(np.float64), base=2.0)
        )
    return 0.0 if np.isnan(distance) else distance


def bootstrap_interval(
    reference: Sequence[np.ndarray],
    sample: Sequence[np.ndarray],
    statistic: Callable[[np.ndarray, np.ndarray], float],
    n_resamples: int,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval of ``statistic(reference, sample)``, recordings being drawn anew.

    ``reference`` and ``sample`` hold one ``(n_windows, size)`` array a clip. Whole clips are drawn,
    with replacement, as windows of one clip resemble each other; with fewer than about ten
    clips a side the interval is too narrow.

    The interval is a :func:`shifted_interval`, since a resample holds some clips twice and so fewer
    different ones, which lifts both distances above. In simulations (20 clips a side) 95 %
    intervals covered 94 to 100 %, unshifted ones 29 to 93 %; they are widest, and may begin below
    0, where the sets are equal. It says how far the figure would scatter had other recordings been
    drawn, and takes no bias away that the figure itself has.

    Resamples whose windows are too much alike for the statistic are left out. Returns ``(low,
    high)``. Raises :class:`SoundloomError` when a side has fewer than 2 clips.
    """
    if min(len(reference), len(sample)) < 2:
        raise SoundloomError(
            f"an interval needs 2 clips a side; got {len(reference)} and {len(sample)}"
        )
    found = []
    for _ in range(n_resamples):
        sets = _bootstrap_sample(reference, rng), _bootstrap_sample(sample, rng)
        # Of few clips of a window or two, the same may be drawn again and again: it has none.
        with suppress(SoundloomError):
            found.append(statistic(*sets))
    if not found:
        raise SoundloomError("no resample of the clips has enough that differ; use more windows")
    figure = statistic(np.concatenate(reference), np.concatenate(sample))
    return shifted_interval(found, figure, level)


def shifted_interval(
    resampled: Sequence[float], figure: float, level: float
) -> tuple[float, float]:
    """Percentile interval of a bootstrap, shifted so that the resamples' mean falls on ``figure``.

    ``resampled`` holds the figure of each resample; the interval, before it is shifted, holds a
    share ``level`` of them and leaves as many below it as above. Returns ``(low, high)``. Source of
    percentile intervals: Efron & Tibshirani 1993, ch. 13.
    """
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(resampled, [tail, 100.0 - tail]) - np.mean(resampled) + figure
    return float(low), float(high)


def _sets(*sets: np.ndarray) -> list[np.ndarray]:
    shapes = " and ".join(str(windows.shape) for windows in sets)
    if any(windows.ndim != 2 or len(windows) < 2 for windows in sets):
        raise SoundloomError(f"sets must be (n_windows ≥ 2, size); got {shapes}")
    if len({windows.shape[1] for windows in sets}) > 1:
        raise SoundloomError(f"embeddings must have one size; got {shapes}")
    if not all(np.isfinite(windows).all() for windows in sets):
        raise SoundloomError("embeddings hold NaN or infinity")
    return [windows.astype(np.float64) for windows in sets]


def _covariance_factor(windows: np.ndarray) -> np.ndarray:
    """``F`` with ``FᵀF`` the unbiased covariance, of ``min(n_windows, size)`` rows."""
    centred = windows - windows.mean(axis=0)
    return np.asarray(np.linalg.qr(centred / np.sqrt(len(windows) - 1), mode="r"))


def _mean_of_pairs(kernel: np.ndarray) -> float:
    """Mean over pairs of different windows: the diagonal would bias the estimate."""
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _bootstrap_sample(clips: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([clips[index] for index in rng.integers(len(clips), size=len(clips))])
