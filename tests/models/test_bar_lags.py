"""What was played some bars before: lags of music that repeats, and what is found there."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.models.recall import BARS, NEVER, find_lags, n_recalled, recalled

N = 3
WIDTH = n_recalled(N) // len(BARS)


def numbered(n_steps: int) -> np.ndarray:
    """One sequence whose latents say which step they are of."""
    return np.arange(1.0, n_steps + 1)[None, :, None].repeat(N, axis=2).astype(np.float32)


@pytest.mark.parametrize("period", [39, 40, 41])
def test_bars_are_set_right_by_what_repeats(period: int) -> None:
    bar = np.random.default_rng(period).standard_normal((period, N))
    music = np.tile(bar, (10, 1))[None, :300]
    lags = find_lags(music, np.array([4.0 / 40.0]))
    np.testing.assert_array_equal(lags[0], [period, 2 * period, 4 * period])


def test_an_end_does_not_meet_the_beginning() -> None:
    strokes = np.zeros((1, 100, N))
    strokes[0, [5, 45], 0] = 1.0  # a bar of 40 steps
    strokes[0, [19, 80], 1] = 2.0  # 39 steps, were the sequence a circle
    assert find_lags(strokes, np.array([4.0 / 40.0]))[0, 0] == 40


def test_bars_beyond_the_end_are_the_clocks() -> None:
    music = np.random.default_rng(0).standard_normal((2, 100, N))
    lags = find_lags(music, np.array([4.0 / 40.3, 4.0 / 200.0]))
    assert abs(lags[0, 0] - 40) <= 2
    assert lags[0, 2] == 161
    np.testing.assert_array_equal(lags[1], [200, 400, 800])


def test_silence_has_bars_too() -> None:
    assert abs(find_lags(np.zeros((1, 100, N)), np.array([0.1]))[0, 0] - 40) <= 1


def test_the_step_to_come_is_looked_up_some_bars_before_it() -> None:
    lags, steps = np.array([[10, 20, NEVER]]), np.array([[9, 10, 19, 20, 49]])
    told = recalled(numbered(50), lags, steps)
    assert told.shape == (1, 5, n_recalled(N))
    first, second, third = np.split(told[0], len(BARS), axis=-1)
    # Step 10 follows 9, and 10 before it is step 0, which nothing precedes.
    assert not first[0].any()
    # Step 11 follows 10: steps 0, 1 and 2, numbered from 1.
    np.testing.assert_array_equal(first[1], [1, 1, 1, 2, 2, 2, 3, 3, 3, 1])
    np.testing.assert_array_equal(first[4], [40, 40, 40, 41, 41, 41, 42, 42, 42, 1])
    assert not second[2].any()
    np.testing.assert_array_equal(second[3], first[1])
    assert not third.any()
    assert first.shape[1] == WIDTH


def test_nothing_is_told_of_what_is_yet_to_come() -> None:
    latents, steps = numbered(30), np.array([[20]])
    known = recalled(latents, np.array([[2, 4, 8]]), steps)
    latents[:, 21:] = 99.0
    np.testing.assert_array_equal(recalled(latents, np.array([[2, 4, 8]]), steps), known)
    # A lag of 1 would have its later neighbour be the step to come itself.
    assert not recalled(latents, np.array([[1, 1, 1]]), steps).any()
