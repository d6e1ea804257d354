"""The plan: harmonics that hold are told, strokes are not; beyond what is known it loops."""

from __future__ import annotations

import numpy as np

from soundloom.models.plan import N_COMPONENTS, NOWHERE, Plan, looped, told_of_plan

N_BINS = 60
RNG = np.random.default_rng(0)


def chord(bins: list[int], n_frames: int) -> np.ndarray:
    frames = np.full((n_frames, N_BINS), 0.3, np.float32)
    frames[:, bins] = 0.8
    return frames


TWO_CHORDS = np.concatenate([chord([5, 15, 25], 200), chord([8, 18, 28], 200)])


def test_harmonics_that_hold_are_told() -> None:
    plan = Plan.fit([TWO_CHORDS[None]], 2)
    told = plan.of(TWO_CHORDS[None])[0]
    assert told.shape == (200, N_COMPONENTS)
    assert told.dtype == np.float32
    # One direction tells one chord from the other; at the change, one fades into the other.
    assert told[:80, 0].std() < 0.01 * abs(told[50, 0] - told[150, 0])
    np.testing.assert_allclose(told[100, 0] + told[99, 0], told[50, 0] + told[150, 0], atol=0.01)
    np.testing.assert_allclose(np.square(told).mean(axis=0).sum(), N_COMPONENTS, rtol=1e-3)


def test_loudness_strokes_and_noise_above_are_not_told() -> None:
    hiss = TWO_CHORDS.copy()
    hiss[:, 56:] = RNG.random((400, 4))
    plan = Plan.fit([np.stack([TWO_CHORDS, hiss])], 2)
    told = plan.of(TWO_CHORDS)
    apart = np.abs(told[50] - told[150]).max()
    np.testing.assert_allclose(plan.of(TWO_CHORDS - 0.1), told, atol=1e-3 * apart)
    stroke = TWO_CHORDS.copy()
    stroke[100:102, 5] -= 0.5
    assert 0.0 < np.abs(plan.of(stroke) - told).max() < 0.03 * apart
    np.testing.assert_allclose(plan.of(hiss), told, atol=1e-3 * apart)


def test_few_bins_and_silence_have_a_plan_too() -> None:
    plan = Plan.fit([np.zeros((1, 20, 4), np.float32)], 2)
    told = plan.of(np.zeros((1, 20, 4), np.float32))
    assert told.shape == (1, 10, N_COMPONENTS)
    assert not told.any()


def test_arrays_rebuild_it() -> None:
    plan = Plan.fit([TWO_CHORDS[None]], 2)
    rebuilt = Plan.from_arrays(plan.arrays(), 2)
    assert rebuilt is not None
    np.testing.assert_array_equal(rebuilt.of(TWO_CHORDS), plan.of(TWO_CHORDS))
    assert Plan.from_arrays({}, 2) is None


def test_the_longest_lag_that_fits_is_looped() -> None:
    places = looped(20, 40, np.array([[3, 6, 12], [5, 10, 20], [30, 60, 120], [1, 2, 4]]))
    np.testing.assert_array_equal(places[:, :20], np.tile(np.arange(20), (4, 1)))
    # Twelve steps before, then again from the first of the last twelve; 20 steps would begin with
    # the very first, so it is ten; the third knows of none.
    np.testing.assert_array_equal(places[0, 20:], [8 + step % 12 for step in range(20)])
    np.testing.assert_array_equal(places[1, 20:], [10 + step % 10 for step in range(20)])
    np.testing.assert_array_equal(places[2, 20:], NOWHERE)
    # Four lags of four steps fit, and are gone through before anything comes again.
    np.testing.assert_array_equal(places[3, 20:], [4 + step % 16 for step in range(20)])


def test_what_is_told_is_the_plan_at_its_place() -> None:
    plan = np.arange(10.0)[None, :, None] * np.ones(N_COMPONENTS)
    told = told_of_plan(plan, np.array([[3, 9, NOWHERE]]))
    np.testing.assert_array_equal(told[0, :, 0], [3.0, 9.0, 0.0])
    np.testing.assert_array_equal(told[0, :, -1], [1.0, 1.0, 0.0])


def test_in_training_it_comes_early_or_late_or_not_at_all() -> None:
    plan = np.tile(np.arange(50.0)[None, :, None], (400, 1, N_COMPONENTS))
    told = told_of_plan(plan, np.tile([10, 20, 30], (400, 1)), np.random.default_rng(0))
    known = told[..., -1] == 1.0
    assert (known.all(axis=1) | ~known.any(axis=1)).all()
    assert 0.1 < 1.0 - known[:, 0].mean() < 0.2
    assert not told[~known].any()
    late = told[known[:, 0], :, 0] - [10, 20, 30]
    assert (late == late[:, :1]).all()
    assert set(late[:, 0]) == {-2, -1, 0, 1, 2}
