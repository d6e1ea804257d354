"""Distances of Gaussians whose distances are known, and what must hold for any two sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    mauve_divergence,
    profile_distance,
    quantised,
    shifted_interval,
    tag_profile,
)

Distance = Callable[[np.ndarray, np.ndarray], float]
DISTANCES = pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])


def gaussian(
    n_windows: int, size: int, seed: int, mean: float = 0.0, std: float = 1.0
) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, (n_windows, size))


def with_moments(windows: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The windows moved and stretched so that these are exactly their mean and covariance."""
    white = windows - windows.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T)).T)
    return white @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_covariances_that_commute() -> None:
    first = with_moments(gaussian(50, 3, 0), np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    second = with_moments(gaussian(70, 3, 1), np.array([1.0, 2.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    # |mean|² = 9, then (1 - 2)² + (2 - 2)² + (3 - 1)²
    assert frechet_distance(first, second) == pytest.approx(14.0)


def test_frechet_distance_of_covariances_that_do_not() -> None:
    first = with_moments(gaussian(50, 2, 0), np.zeros(2), np.array([[2.0, 1.0], [1.0, 2.0]]))
    second = with_moments(gaussian(50, 2, 1), np.zeros(2), np.diag([1.0, 4.0]))
    # The product has trace 10 and determinant 12, so its root has trace √(10 + 2√12).
    expected = 4.0 + 5.0 - 2.0 * np.sqrt(10.0 + 2.0 * np.sqrt(12.0))
    assert frechet_distance(first, second) == pytest.approx(expected)


def test_frechet_distance_where_covariances_are_singular() -> None:
    line = np.outer(np.array([-1.0, 0.0, 1.0]), np.ones(50))  # variance 1 along (1, …, 1)
    across = np.outer([-1.0, 0.0, 1.0], np.tile([1.0, -1.0], 25))
    assert frechet_distance(line, 3.0 * line) == pytest.approx(50.0 * (3.0 - 1.0) ** 2)
    assert frechet_distance(line, across) == pytest.approx(100.0)
    few = gaussian(20, 200, 0)
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore")  # the root of a nearly singular matrix warns
def test_frechet_distance_agrees_with_the_root_of_the_product() -> None:
    from scipy.linalg import sqrtm

    first, second = gaussian(400, 30, 0), gaussian(300, 30, 1) @ gaussian(30, 30, 2) / 5
    covariances = [np.cov(windows.T) for windows in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(first.mean(0) - second.mean(0)).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2.0 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(1, 30), st.floats(-1e3, 1e3), st.integers(0, 99))
def test_frechet_distance_of_a_moved_set(n: int, size: int, shift: float, seed: int) -> None:
    windows = gaussian(n, size, seed)
    expected = size * shift**2
    assert frechet_distance(windows, windows + shift) == pytest.approx(expected, abs=1e-8)


def test_few_windows_raise_frechet_distance() -> None:
    reference = gaussian(8000, 20, 0)
    distances = [frechet_distance(reference, gaussian(n, 20, 1)) for n in (50, 200, 800)]
    assert distances[0] > 2 * distances[1] > 4 * distances[2] > 0


def test_kernel_distance_by_hand() -> None:
    reference = np.array([[0.0], [1.0], [2.0]])  # distances 1, 1 and 2: bandwidth 1
    sample = np.array([[0.0], [2.0]])
    near, far = np.exp(-0.5), np.exp(-2.0)
    within = (2 * near + far) / 3 + far
    across = (1 + near + far + far + near + 1) / 6
    assert kernel_distance(reference, sample) == pytest.approx(1000 * (within - 2 * across))


def test_kernel_distance_is_right_on_average() -> None:
    pairs = [(gaussian(20, 30, 2 * k), gaussian(20, 30, 2 * k + 1)) for k in range(200)]
    kernel = [kernel_distance(*pair) for pair in pairs]
    assert abs(np.mean(kernel)) < 3 * np.std(kernel) / np.sqrt(200)
    assert min(kernel) < 0 < max(kernel)
    assert np.mean([frechet_distance(*pair) for pair in pairs]) > 10


def test_kernel_distance_keeps_to_the_references_bandwidth() -> None:
    narrow, wide = gaussian(60, 4, 0), gaussian(60, 4, 1, std=5.0)
    assert kernel_distance(narrow, wide) > 1.5 * kernel_distance(wide, narrow)
    assert kernel_distance(narrow, wide + 1e4) < 2000.0


@DISTANCES
def test_order_of_windows_and_scale_of_both_sets(distance: Distance) -> None:
    first, second = gaussian(40, 6, 0), gaussian(50, 6, 1, mean=0.5)
    shuffled = np.random.default_rng(0).permutation(second)
    assert distance(first, shuffled) == pytest.approx(distance(first, second))
    assert distance(first + 100.0, second + 100.0) == pytest.approx(distance(first, second))
    assert distance(first.astype(np.float32), second) == pytest.approx(
        distance(first, second), rel=1e-4
    )


@DISTANCES
def test_further_is_more(distance: Distance) -> None:
    reference = gaussian(300, 8, 0)
    moved = [distance(reference, gaussian(300, 8, 1, mean=mean)) for mean in (0.0, 0.3, 1.0, 3.0)]
    assert moved == sorted(moved)
    narrower = [distance(reference, gaussian(300, 8, 1, std=std)) for std in (1.0, 0.6, 0.1)]
    assert narrower == sorted(narrower)


@DISTANCES
def test_what_cannot_be_compared(distance: Distance) -> None:
    windows = gaussian(10, 4, 0)
    with pytest.raises(SoundloomError, match=r"\(10, 4\) and \(10, 3\)"):
        distance(windows, windows[:, :3])
    with pytest.raises(SoundloomError, match=r"n_windows ≥ 2.*\(10, 4\) and \(1, 4\)"):
        distance(windows, windows[:1])
    with pytest.raises(SoundloomError, match="NaN"):
        distance(windows, windows * np.nan)


def test_kernel_distance_needs_windows_that_differ() -> None:
    with pytest.raises(SoundloomError, match="bandwidth"):
        kernel_distance(np.ones((5, 3)), gaussian(5, 3, 0))


def shares(*counts: int) -> np.ndarray:
    """As many windows in each cluster."""
    return np.repeat(np.arange(len(counts)), counts)[:, None]


def test_mauve_divergence_of_known_shares() -> None:
    assert mauve_divergence(shares(30, 10), shares(3, 1)) == pytest.approx(0.0, abs=1e-9)
    # Nothing in common: exp(-5 KL) are w⁵ and (1 - w)⁵, and ∫ y dx = 5 B(6, 5) = 1 / 252.
    assert mauve_divergence(shares(7, 0), shares(0, 9)) == pytest.approx(np.log(252), abs=0.05)
    # By hand, with a sum of its own over many mixtures.
    first, second = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    w = np.linspace(0.0, 1.0, 20_001)[1:-1]
    mixture = np.outer(w, first) + np.outer(1 - w, second)
    y = np.exp(-5 * (second * np.log(second / mixture)).sum(axis=1))
    x = np.exp(-5 * (first[:2] * np.log(first[:2] / mixture[:, :2])).sum(axis=1))
    area = x[0] + np.sum((y[1:] + y[:-1]) / 2 * np.diff(x))  # before w = 0 the curve is level
    found = mauve_divergence(shares(2, 2, 0), shares(1, 1, 2))
    assert found == pytest.approx(-np.log(area), abs=0.03)
    assert found == pytest.approx(mauve_divergence(shares(1, 1, 2), shares(2, 2, 0)))


def test_clusters_are_those_that_are_there() -> None:
    centres = np.eye(4) * 3.0
    reference = np.repeat(centres, (10, 10, 20, 0), axis=0) + 0.01 * gaussian(40, 4, 0)
    sample = np.repeat(centres, (10, 10, 0, 20), axis=0) + 0.01 * gaussian(40, 4, 1)
    found = quantised(reference, sample, seed=0)
    truth = mauve_divergence(shares(10, 10, 20, 0), shares(10, 10, 0, 20))
    assert mauve_divergence(*found) == pytest.approx(truth)
    for again, side in zip(quantised(reference, sample, seed=0), found, strict=True):
        assert np.array_equal(again, side)
    # The norm does not count, and windows that are all alike are in one cluster.
    assert mauve_divergence(*quantised(reference, 5.0 * reference, 0)) == pytest.approx(0.0)
    assert mauve_divergence(*quantised(np.ones((5, 3)), np.ones((9, 3)), 0)) == pytest.approx(0.0)


def test_further_is_more_divergence() -> None:
    reference = gaussian(300, 8, 0)
    moved = [
        mauve_divergence(*quantised(reference, gaussian(300, 8, 1, mean=mean), 0))
        for mean in (0.0, 0.5, 1.5)
    ]
    assert moved[0] < 0.3 * moved[1] < 0.3 * moved[2] < 0.3 * 5.6


def test_profiles() -> None:
    profile = tag_profile(np.array([[0.2, 0.0], [0.4, 0.1]], np.float32))
    np.testing.assert_allclose(profile, [0.3, 0.05], atol=1e-7)
    assert profile_distance(profile, profile / 3) == pytest.approx(0.0, abs=1e-7)
    assert profile_distance(np.array([1.0, 0.0]), np.array([0.0, 0.2])) == pytest.approx(1.0)
    # (1, 0) and (½, ½) have the mean (¾, ¼): ½ log₂ 4/3 + ½ (½ log₂ 2/3 + ½ log₂ 2) bits.
    bits = 0.5 * np.log2(4 / 3) + 0.25 * (np.log2(2 / 3) + 1.0)
    first, second = np.array([0.8, 0.0]), np.array([0.1, 0.1])
    assert profile_distance(first, second) == pytest.approx(np.sqrt(bits))
    assert profile_distance(second, first) == pytest.approx(np.sqrt(bits))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).filter(any))
def test_a_profile_is_at_no_distance_from_itself(profile: list[float]) -> None:
    """Rounding may take the divergence of equal profiles below 0, where it has no root."""
    assert profile_distance(np.array(profile), np.array(profile)) == pytest.approx(0.0, abs=1e-7)


def test_what_is_no_profile() -> None:
    with pytest.raises(SoundloomError, match=r"\(2,\) and \(3,\)"):
        profile_distance(np.ones(2), np.ones(3))
    for wrong in ([0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(SoundloomError, match="not negative"):
            profile_distance(np.ones(2), np.array(wrong))


def clips(n_clips: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Clips that differ much, each of five windows that differ little."""
    return [rng.normal(rng.normal(), 0.1, (5, 1)) for _ in range(n_clips)]


def mean_difference(reference: np.ndarray, sample: np.ndarray) -> float:
    return float(sample.mean() - reference.mean())


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered, lengths = 0, []
    for _ in range(200):
        reference, sample = clips(25, rng), [clip + 3.0 for clip in clips(25, rng)]
        low, high = bootstrap_interval(reference, sample, mean_difference, 100, rng)
        covered += low <= 3.0 <= high
        lengths.append(high - low)
    assert 0.88 <= covered / 200 <= 0.98
    # Of the mean of 25 clips, not of 125 windows.
    assert np.mean(lengths) == pytest.approx(2 * 1.96 * np.sqrt(2 / 25), rel=0.1)


@DISTANCES
def test_the_interval_lies_around_the_distance(distance: Distance) -> None:
    rng = np.random.default_rng(0)
    reference = [rng.normal(0.2 * rng.normal(size=8), 1.0, (10, 8)) for _ in range(20)]
    sample = [rng.normal(0.2 * rng.normal(size=8) + 0.5, 1.0, (10, 8)) for _ in range(20)]
    figure = distance(np.concatenate(reference), np.concatenate(sample))
    low, high = bootstrap_interval(reference, sample, distance, 100, np.random.default_rng(1))
    assert low < figure < high
    again = bootstrap_interval(reference, sample, distance, 100, np.random.default_rng(1))
    assert again == (low, high)
    narrow = bootstrap_interval(
        reference, sample, distance, 100, np.random.default_rng(1), level=0.5
    )
    assert low < narrow[0] < figure < narrow[1] < high


@DISTANCES
def test_repeated_clips_do_not_lift_the_interval(distance: Distance) -> None:
    rng = np.random.default_rng(0)
    reference, sample = ([rng.normal(0.0, 1.0, (5, 8)) for _ in range(20)] for _ in "ab")
    figure = distance(np.concatenate(reference), np.concatenate(sample))
    low, high = bootstrap_interval(reference, sample, distance, 100, rng)
    assert low < figure < high


def test_a_shifted_interval_by_hand() -> None:
    resampled = [float(value) for value in range(101)]  # with a mean of 50
    assert shifted_interval(resampled, 10.0, level=0.9) == pytest.approx((-35.0, 55.0))


def test_an_interval_of_clips_of_a_single_window() -> None:
    """Every other resample holds one clip twice: it has no bandwidth, and does not count."""
    reference, sample = (list(gaussian(2, 3, seed)[:, None]) for seed in (0, 1))
    low, high = bootstrap_interval(reference, sample, kernel_distance, 20, np.random.default_rng(0))
    assert np.isfinite([low, high]).all()


def test_an_interval_needs_clips() -> None:
    clip = [gaussian(5, 2, 0)]
    with pytest.raises(SoundloomError, match="2 clips a side; got 1 and 2"):
        bootstrap_interval(clip, clip * 2, mean_difference, 10, np.random.default_rng(0))
