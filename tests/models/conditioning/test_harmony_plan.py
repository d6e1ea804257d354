"""The harmony plan: harmonics that hold are in it, onsets are not; beyond the prompt it loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from clicks import sequences
from soundloom.models.conditioning.harmony_plan import (
    N_COMPONENTS,
    NOWHERE,
    HarmonyPlan,
    loop_places,
)

N_BINS = 60
RNG = np.random.default_rng(0)


def chord(bins: list[int], n_frames: int) -> np.ndarray:
    frames = np.full((n_frames, N_BINS), 0.3, np.float32)
    frames[:, bins] = 0.8
    return frames


TWO_CHORDS = np.concatenate([chord([5, 15, 25], 200), chord([8, 18, 28], 200)])


def fitted(*windows: np.ndarray) -> HarmonyPlan:
    return HarmonyPlan.fit_windows([np.stack(windows)], 2)


def test_harmonics_that_hold_are_in_it() -> None:
    plan = fitted(TWO_CHORDS).components(TWO_CHORDS[None])[0]
    assert plan.shape == (200, N_COMPONENTS)
    assert plan.dtype == np.float32
    # One direction keeps the chords apart; at the change, one fades into the other.
    assert plan[:80, 0].std() < 0.01 * abs(plan[50, 0] - plan[150, 0])
    np.testing.assert_allclose(plan[100, 0] + plan[99, 0], plan[50, 0] + plan[150, 0], atol=0.01)
    np.testing.assert_allclose(np.square(plan).mean(axis=0).sum(), N_COMPONENTS, rtol=1e-3)


def test_loudness_onsets_and_noise_above_are_not() -> None:
    hiss = TWO_CHORDS.copy()
    hiss[:, 56:] = RNG.random((400, 4))
    plan = fitted(TWO_CHORDS, hiss)
    usual = plan.components(TWO_CHORDS)
    apart = np.abs(usual[50] - usual[150]).max()
    np.testing.assert_allclose(plan.components(TWO_CHORDS - 0.1), usual, atol=1e-3 * apart)
    onset = TWO_CHORDS.copy()
    onset[100:102, 5] -= 0.5
    assert 0.0 < np.abs(plan.components(onset) - usual).max() < 0.03 * apart
    np.testing.assert_allclose(plan.components(hiss), usual, atol=1e-3 * apart)


def test_few_bins_and_silence_have_a_plan_too() -> None:
    silence = np.zeros((1, 20, 4), np.float32)
    plan = HarmonyPlan.fit_windows([silence], 2).components(silence)
    assert plan.shape == (1, 10, N_COMPONENTS)
    assert not plan.any()


def test_arrays_rebuild_it() -> None:
    plan = fitted(TWO_CHORDS)
    rebuilt = HarmonyPlan.from_arrays(plan.arrays(), 2)
    np.testing.assert_array_equal(rebuilt.components(TWO_CHORDS), plan.components(TWO_CHORDS))


def test_the_longest_lag_that_fits_is_looped() -> None:
    places = loop_places(20, 40, np.array([[3, 6, 12], [5, 10, 20], [30, 60, 120], [1, 2, 4]]))
    np.testing.assert_array_equal(places[:, :20], np.tile(np.arange(20), (4, 1)))
    # Twelve steps before, then again from the first of the last twelve; 20 steps would begin with
    # the very first, so it is ten; the third knows of none.
    np.testing.assert_array_equal(places[0, 20:], [8 + step % 12 for step in range(20)])
    np.testing.assert_array_equal(places[1, 20:], [10 + step % 10 for step in range(20)])
    np.testing.assert_array_equal(places[2, 20:], NOWHERE)
    # Four lags of four steps fit, and are gone through before anything comes again.
    np.testing.assert_array_equal(places[3, 20:], [4 + step % 16 for step in range(20)])


def features(n_to_come: int, lags: list[int], copies: int = 1, **options: Any) -> np.ndarray:
    """Features of the two chords, 200 steps, whose bars last ``lags`` steps."""
    frames = np.repeat(TWO_CHORDS[None], copies, axis=0)
    asked = sequences(frames, np.zeros((copies, 200, 4), np.float32), n_to_come)
    object.__setattr__(asked, "bar_lags", np.tile(lags, (copies, 1)))
    scheduled = fitted(TWO_CHORDS).features(asked, **options).scheduled
    assert scheduled is not None
    return scheduled


def test_a_step_has_the_plan_of_the_one_to_come_and_the_prompts_again_after_it() -> None:
    plan = fitted(TWO_CHORDS).components(TWO_CHORDS)
    scheduled = features(n_to_come=100, lags=[20, 40, 80])[0]
    assert scheduled.shape == (299, HarmonyPlan.widths(4).scheduled)
    np.testing.assert_array_equal(scheduled[:199, :-1], plan[1:])
    # Two lags of 80 steps, the last 160 of the prompt, over and over.
    np.testing.assert_array_equal(scheduled[199:, :-1], plan[40:140])
    assert (scheduled[:, -1] == 1.0).all()


def test_where_no_bar_fits_there_is_no_plan_after_the_prompt() -> None:
    scheduled = features(n_to_come=10, lags=[300, 600, 1200])[0]
    assert (scheduled[:199, -1] == 1.0).all()
    assert not scheduled[199:].any()


def test_in_training_it_comes_early_or_late_or_not_at_all() -> None:
    plain = features(0, [20, 40, 80], copies=1)[0]
    rng = np.random.default_rng(0)
    varied = features(0, [20, 40, 80], copies=400, training=True, rng=rng)
    known = varied[..., -1] == 1.0
    assert (known.all(axis=1) | ~known.any(axis=1)).all()
    assert 0.1 < 1.0 - known[:, 0].mean() < 0.2
    assert not varied[~known].any()
    moves = set()
    for row in varied[known[:, 0]]:
        fits = [m for m in range(-2, 3) if np.array_equal(row[80:120], plain[80 + m : 120 + m])]
        assert len(fits) == 1
        moves.add(fits[0])
    assert moves == {-2, -1, 0, 1, 2}
