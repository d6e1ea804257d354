"""Instance normalisation: what it takes away, and that it is brought back."""

from __future__ import annotations

import numpy as np

from soundloom.models.instance_norm import InstanceNorm, statistics_of

RNG = np.random.default_rng(0)


def test_statistics_are_mean_and_std() -> None:
    latents = RNG.standard_normal((2, 50, 3)).astype(np.float32)
    statistics = statistics_of(latents)
    np.testing.assert_allclose(statistics[:, :3], latents.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(statistics[:, 3:], latents.std(axis=1), atol=1e-6)


def test_in_training_they_are_of_a_quarter_of_a_window_or_more() -> None:
    ramp = np.arange(100.0)[None, :, None].repeat(200, axis=0)
    parts = statistics_of(ramp, np.random.default_rng(0))
    lengths = np.sqrt(12 * parts[:, 1] ** 2 + 1)  # a ramp of n steps has variance (n² - 1) / 12
    assert 24.5 < lengths.min() < 35
    assert 90 < lengths.max() < 100.5


def test_normalised_latents_have_mean_0_and_about_variance_1() -> None:
    latents = (3.0 + 2.0 * RNG.standard_normal((2, 5000, 4))).astype(np.float32)
    norm = InstanceNorm.of(statistics_of(latents))
    normalised = norm.normalise(latents)
    np.testing.assert_allclose(normalised.mean(axis=1), 0.0, atol=1e-5)
    # Of variance 4, with the least variance of 0.05 in it: 4 · 1.05 / 4.05.
    np.testing.assert_allclose(normalised.var(axis=1), 4.2 / 4.05, rtol=0.03)
    np.testing.assert_allclose(norm.denormalise(normalised), latents, atol=1e-5)


def test_what_never_moves_is_normalised_too() -> None:
    still = np.full((1, 10, 4), 7.0, np.float32)
    normalised = InstanceNorm.of(statistics_of(still)).normalise(still)
    np.testing.assert_array_equal(normalised, 0.0)
