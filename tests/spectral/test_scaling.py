"""Min-max scaling, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler

from soundloom.spectral.scaling import LevelScaler


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["f2", "f4", "f8"]))
def test_the_arithmetic_is_that_of_scikit_learn(seed: int, per_bin: bool, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.uniform(-80.0, 10.0, (6, 4)).astype(np.float32)
    levels[:, 2] = levels[0, 2]  # a bin in which nothing ever differs
    ours = LevelScaler.fit(levels, per_bin=per_bin)
    theirs = MinMaxScaler(clip=True).fit(levels if per_bin else levels.reshape(-1, 1))
    other = rng.uniform(-120.0, 20.0, (5, 4)).astype(dtype)
    columns = other if per_bin else other.reshape(-1, 1)
    unit = ours.unit(other)
    np.testing.assert_array_equal(unit, theirs.transform(columns).reshape(other.shape))
    assert unit.dtype == other.dtype
    back = theirs.inverse_transform(unit if per_bin else unit.reshape(-1, 1))
    np.testing.assert_array_equal(ours.levels(unit), back.reshape(other.shape))


def test_the_extremes_become_0_and_1_and_what_is_given_stays() -> None:
    levels = np.array([[-60.0, -50.0], [-20.0, -10.0]], np.float32)
    of_all, of_each = (LevelScaler.fit(levels, per_bin=per_bin) for per_bin in (False, True))
    assert of_all.unit(levels) == pytest.approx(np.array([[0.0, 0.2], [0.8, 1.0]]))
    assert of_each.unit(levels).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert levels.tolist() == [[-60.0, -50.0], [-20.0, -10.0]]
