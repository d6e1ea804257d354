"""Distances between values set by hand, and what chance alone makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.distribution import compare


def normal(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) + shift


def ratio(generated: np.ndarray, real: np.ndarray) -> float:
    found = compare(generated, real, n_splits=40)
    return found.generated_to_real / found.real_to_real


def test_known_distances() -> None:
    real = np.array([-1.0, 1.0] * 4)  # standard deviation 1
    assert compare(np.full(8, 5.0), real).generated_to_real == pytest.approx(5.0, abs=0.1)
    # However it is split, every value lies 1 from 0.
    assert compare(np.zeros(8), real).generated_to_real == pytest.approx(1.0)


@given(st.floats(0.01, 1000.0), st.floats(-100.0, 100.0))
def test_the_unit_does_not_matter(scale: float, shift: float) -> None:
    generated, real = normal(20, 0, 0.7), normal(30, 1)
    before = compare(generated, real, n_splits=5)
    after = compare(scale * generated + shift, scale * real + shift, n_splits=5)
    assert after.generated_to_real == pytest.approx(before.generated_to_real, rel=1e-6)
    assert after.real_to_real == pytest.approx(before.real_to_real, rel=1e-6)


@pytest.mark.parametrize("n_values", [6, 40])
def test_equal_distributions_are_as_near_as_real_is_to_itself(n_values: int) -> None:
    ratios = [ratio(normal(n_values, seed), normal(n_values, seed + 100)) for seed in range(40)]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_unequal_counts_do_not_feign_a_difference() -> None:
    ratios = [ratio(normal(8, seed), normal(200, seed + 100)) for seed in range(40)]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_a_shift_shows() -> None:
    real = normal(200, 0)
    got = compare(real + 3.0 * real.std(), real)
    assert got.generated_to_real == pytest.approx(3.0, abs=0.1)
    assert got.real_to_real < 0.3
    assert got == compare(real + 3.0 * real.std(), real)  # the splits are seeded


def test_windows_of_a_clip_stay_together() -> None:
    """Six clips, each constant: split by windows, both halves would hold the same six values."""
    clips = np.repeat(np.arange(6), 30)
    real = clips.astype(float)
    split_by_window = compare(real, real).real_to_real
    split_by_clip = compare(real, real, real_groups=clips).real_to_real
    assert split_by_clip > 3 * split_by_window


def test_values_all_alike_have_finite_distances() -> None:
    alike = compare(np.ones(4), np.ones(8))
    assert (alike.generated_to_real, alike.real_to_real) == (0.0, 0.0)
    assert np.isfinite(compare(np.zeros(4), np.ones(8)).generated_to_real)
    assert np.isfinite(compare(np.ones(4), np.zeros(8)).generated_to_real)


def test_too_few_values() -> None:
    with pytest.raises(SoundloomError, match="1 generated values against 5 real clips"):
        compare(np.ones(1), np.ones(5))
    with pytest.raises(SoundloomError, match="5 generated values against 2 real clips"):
        compare(np.ones(5), np.ones(6), real_groups=np.array([0, 0, 0, 1, 1, 1]))
