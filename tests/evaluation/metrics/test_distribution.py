"""Distances between values set by hand, and what chance alone makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.distribution import compare, normalised_distance


def normal(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) + shift


def test_known_distances() -> None:
    reference = np.array([-1.0, 1.0])  # standard deviation 1
    assert normalised_distance(reference, reference) == 0.0
    assert normalised_distance(reference + 3.0, reference) == pytest.approx(3.0)
    assert normalised_distance(np.array([0.0]), reference) == pytest.approx(1.0)
    assert normalised_distance(np.array([-2.0, 2.0]), reference) == pytest.approx(1.0)


@given(st.floats(0.01, 1000.0), st.floats(-100.0, 100.0))
def test_the_unit_does_not_matter(scale: float, shift: float) -> None:
    found, reference = normal(20, 0, 0.7), normal(30, 1)
    assert normalised_distance(scale * found + shift, scale * reference + shift) == pytest.approx(
        normalised_distance(found, reference), rel=1e-6
    )


def test_a_reference_that_does_not_vary() -> None:
    assert normalised_distance(np.ones(3), np.ones(5)) == 0.0
    assert np.isfinite(normalised_distance(np.ones(3), np.zeros(5)))


@pytest.mark.parametrize("n_values", [6, 40])
def test_equal_distributions_have_a_ratio_near_one(n_values: int) -> None:
    ratios = [
        compare(normal(n_values, seed), normal(n_values, seed + 100), n_splits=40).ratio
        for seed in range(40)
    ]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_unequal_counts_do_not_feign_a_difference() -> None:
    ratios = [
        compare(normal(8, seed), normal(200, seed + 100), n_splits=40).ratio for seed in range(40)
    ]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_a_shift_shows() -> None:
    real = normal(200, 0)
    got = compare(real + 3.0 * real.std(), real)
    assert got.generated_to_real == pytest.approx(3.0, abs=0.1)
    assert got.real_to_real < 0.3
    assert got.ratio > 10.0
    assert got == compare(real + 3.0 * real.std(), real)  # the splits are seeded


def test_windows_of_a_clip_stay_together() -> None:
    """Six clips, each constant: split by windows, both halves would hold the same six values."""
    clips = np.repeat(np.arange(6), 30)
    real = clips.astype(float)
    split_by_window = compare(real, real).real_to_real
    split_by_clip = compare(real, real, real_groups=clips).real_to_real
    assert split_by_clip > 3 * split_by_window


def test_values_all_alike_have_a_finite_ratio() -> None:
    assert compare(np.ones(4), np.ones(8)).ratio == 1.0
    assert np.isfinite(compare(np.zeros(4), np.ones(8)).ratio)


def test_too_few_values() -> None:
    with pytest.raises(SoundloomError, match="0 values against 2; at least 1 each"):
        normalised_distance(np.array([]), np.ones(2))
    with pytest.raises(SoundloomError, match="1 generated values against 5 real clips"):
        compare(np.ones(1), np.ones(5))
    with pytest.raises(SoundloomError, match="5 generated values against 2 real clips"):
        compare(np.ones(5), np.ones(6), real_groups=np.array([0, 0, 0, 1, 1, 1]))
