"""Distances between clips placed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.diversity import mean_pairwise_distance, relative_diversity

# Means at the corners of a 3-4-5 triangle.
TRIANGLE = [np.array([[-1.0, 0], [1, 0]]), np.array([[3.0, 0.0]]), np.array([[0.0, 3], [0, 5]])]


def test_a_triangle_of_clips() -> None:
    assert mean_pairwise_distance(TRIANGLE) == pytest.approx((3 + 4 + 5) / 3)


@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0))
def test_relative_to_real(scale: float, shift: float) -> None:
    assert relative_diversity([scale * c + shift for c in TRIANGLE], TRIANGLE) == pytest.approx(
        scale, rel=1e-6
    )


def test_one_and_the_same_is_not_diverse() -> None:
    assert relative_diversity([TRIANGLE[1]] * 3, TRIANGLE) == 0.0
    assert np.isfinite(relative_diversity(TRIANGLE, [TRIANGLE[1]] * 3))
    assert relative_diversity([np.zeros((1, 2))] * 2, [np.zeros((1, 2))] * 2) == 0.0


def test_what_cannot_be_compared() -> None:
    with pytest.raises(SoundloomError, match="1 given, 2 needed"):
        mean_pairwise_distance(TRIANGLE[:1])
    with pytest.raises(SoundloomError, match="no windows; each needs at least 1"):
        mean_pairwise_distance([TRIANGLE[0], np.zeros((0, 2))])
