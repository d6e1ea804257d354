"""Bar-lag features: what is looked up some bars before, and that nothing is of the future."""

from __future__ import annotations

import numpy as np

from clicks import N_BINS, sequences
from soundloom.models.conditioning.bar_lags import NEVER, BarLags, look_up

N = 3
WIDTH = BarLags.widths(N).looked_up


def numbered(n_steps: int) -> np.ndarray:
    """One sequence whose latents say which step they are of."""
    return np.arange(1.0, n_steps + 1)[None, :, None].repeat(N, axis=2).astype(np.float32)


def test_the_step_to_come_is_looked_up_some_bars_before_it() -> None:
    lags, steps = np.array([[10, 20, NEVER]]), np.array([[9, 10, 19, 20, 49]])
    found = look_up(lags, numbered(50), steps)
    assert found.shape == (1, 5, WIDTH)
    first, second, third = np.split(found[0], 3, axis=-1)
    # Step 10 follows 9, and 10 before it is step 0, which nothing precedes.
    assert not first[0].any()
    # Step 11 follows 10: steps 0, 1 and 2, numbered from 1.
    np.testing.assert_array_equal(first[1], [1, 1, 1, 2, 2, 2, 3, 3, 3, 1])
    np.testing.assert_array_equal(first[4], [40, 40, 40, 41, 41, 41, 42, 42, 42, 1])
    assert not second[2].any()
    np.testing.assert_array_equal(second[3], first[1])
    assert not third.any()


def test_nothing_is_of_what_is_yet_to_come() -> None:
    latents, steps = numbered(30), np.array([[20]])
    known = look_up(np.array([[2, 4, 8]]), latents, steps)
    latents[:, 21:] = 99.0
    np.testing.assert_array_equal(look_up(np.array([[2, 4, 8]]), latents, steps), known)
    # A lag of 1 would have its later neighbour be the step to come itself.
    assert not look_up(np.array([[1, 1, 1]]), latents, steps).any()


def test_features_look_up_at_the_bars_of_the_music() -> None:
    rng = np.random.default_rng(0)
    bar = rng.standard_normal((40, N)).astype(np.float32)
    latents = np.tile(bar, (8, 1))[None]
    frames = np.repeat(rng.random((1, 320, N_BINS)), 2, axis=1).astype(np.float32)
    asked = sequences(frames, latents)
    features = BarLags().features(asked)
    assert features.look_up is not None
    steps = np.arange(310, 318)[None]
    np.testing.assert_array_equal(
        features.look_up(latents, steps), look_up(asked.bar_lags, latents, steps)
    )
    assert features.look_up(latents, steps).any()


def test_training_withholds_some_lags() -> None:
    latents = np.random.default_rng(0).standard_normal((400, 100, N)).astype(np.float32)
    frames = np.random.default_rng(1).random((400, 200, N_BINS)).astype(np.float32)
    asked = sequences(frames, latents)
    object.__setattr__(asked, "bar_lags", np.tile([10, 20, 40], (400, 1)))
    steps = np.full((400, 1), 80)
    plain = BarLags().features(asked).look_up
    trained = BarLags().features(asked, training=True, rng=np.random.default_rng(2)).look_up
    assert plain is not None
    assert trained is not None
    known = [np.split(found(latents, steps)[:, 0], 3, axis=-1) for found in (plain, trained)]
    there = [np.stack([lag[:, -1] for lag in lags]) for lags in known]
    assert there[0].all()
    assert 0.1 < 1.0 - there[1].mean() < 0.2
