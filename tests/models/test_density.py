"""The density model: a proper density, each latent from those before it, NumPy as Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from small_models import (
    N_LATENTS,
    batches,
    built,
    frames,
    model_config,
    sample,
    trained_once,
)
from soundloom.models.instance_norm import InstanceNorm, statistics_of
from soundloom.models.latents import Latents
from soundloom.models.sampling import gumbel

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ONE = np.array([0])  # a single latent's draw


@pytest.fixture(scope="module")
def model() -> Any:
    return trained_once("density")[0]


def expected_latents(windows: np.ndarray) -> tuple[np.ndarray, Latents]:
    """Normalised latents of windows, found without the model."""
    latents = Latents.fit(batches("train", seed=0).epoch(0), 2, N_LATENTS)
    standardised = latents.encode(windows) / latents.stds
    return InstanceNorm.of(statistics_of(standardised)).normalise(standardised), latents


def test_targets_are_the_steps_after_the_inputs(model: Any) -> None:
    windows = frames()[None, :33]
    example = model.example(windows)
    latents, pca = expected_latents(windows)
    assert latents.shape == (1, 16, N_LATENTS)
    np.testing.assert_allclose(example.targets, latents[:, 1:], atol=1e-5)
    steps, _, _, following = example.inputs
    # Weighted by how much each varies, and for the masked head as they are.
    np.testing.assert_allclose(steps, latents[:, :-1] * pca.stds / pca.stds.mean(), atol=1e-4)
    np.testing.assert_array_equal(following, example.targets)


def test_training_examples_are_a_crop_of_all_steps(density: ModuleType) -> None:
    model = built(model_config("density", backbone__crop_frames=16))
    windows = frames()[None, :65].repeat(32, axis=0)
    example = model.example(windows, training=True, rng=np.random.default_rng(0))
    steps, at_steps, constant, following = example.inputs
    assert steps.shape[1] == at_steps.shape[1] == following.shape[1] == 8
    assert len(constant) == 32
    np.testing.assert_array_equal(following, example.targets)
    weights = (
        model.example(windows[:1]).inputs[0][0, 1:] / model.example(windows[:1]).targets[0, :-1]
    )
    # Within the crop, each target is the next input.
    np.testing.assert_allclose(steps[:, 1:], example.targets[:, :-1] * weights[0], rtol=1e-3)
    with pytest.raises(ValueError, match="need an rng"):
        model.example(windows, training=True)


def test_the_density_integrates_to_1(density: ModuleType) -> None:
    mixture = RNG.standard_normal((1, 3, 4)).astype(np.float32)
    places = np.linspace(-30.0, 30.0, 1001, dtype=np.float32)
    densities = [
        np.exp(-float(density.negative_log_likelihood(place[None], mixture, ONE)))
        for place in places
    ]
    assert np.trapezoid(densities, places) == pytest.approx(1.0, abs=1e-3)


def test_the_likelihood_by_hand(density: ModuleType) -> None:
    # Half N(0, 1), half N(2, e²), at 1.
    mixture = np.array([[[0.3, 0.3], [0.0, 2.0], [0.0, 1.0]]], np.float32)
    expected = -np.log(0.5 * norm.pdf(1.0) + 0.5 * norm.pdf(1.0, 2.0, np.e))
    found = float(density.negative_log_likelihood(np.array([1.0], np.float32), mixture, ONE))
    assert found == pytest.approx(expected, rel=1e-5)


def test_latents_drawn_together_share_their_component(density: ModuleType) -> None:
    # Logits add up: one component of weight 0.8 at (0, 0), one of 0.2 at (3, 3), std 1.
    mixture = np.zeros((2, 3, 2), np.float32)
    mixture[0, 0], mixture[:, 1] = np.log([0.8, 0.2]), [0.0, 3.0]
    both = np.array([3.0, 0.5], np.float32)
    parts = [norm.pdf(both, place).prod() for place in (0.0, 3.0)]
    expected = -np.log(np.dot([0.8, 0.2], parts)) / 2
    found = density.negative_log_likelihood(both, mixture, np.array([0, 0]))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    many = np.repeat(mixture[None], 20_000, axis=0)
    gumbels, normals = gumbel(RNG.random((20_000, 2))), RNG.standard_normal((20_000, 2))
    drawn = density.sample_mixture(many, gumbels, normals)
    assert drawn.mean(axis=0) == pytest.approx([0.6, 0.6], abs=0.03)
    assert np.cov(drawn.T)[0, 1] == pytest.approx(9.0 * 0.8 * 0.2, abs=0.1)


def test_draws_are_single_first_and_then_together(density: ModuleType) -> None:
    def draws(singly: int, together: int) -> list[int]:
        changes = {"density__singly": singly, "density__together": together}
        return density.draws_of(6, model_config("density", **changes).density).tolist()

    assert draws(6, 4) == draws(9, 4) == draws(2, 1) == [0, 1, 2, 3, 4, 5]
    assert draws(2, 3) == [0, 1, 2, 2, 2, 3]
    assert draws(0, 8) == [0] * 6


def test_draws_follow_the_mixture(density: ModuleType) -> None:
    mixture = np.array([[np.log([0.25, 0.75]), [-3.0, 1.0], np.log([0.5, 2.0])]])
    gumbels, normals = gumbel(RNG.random((40_000, 2))), RNG.standard_normal(40_000)
    many, normals = np.repeat(mixture[:, None], len(normals), axis=0), normals[:, None]
    drawn = density.sample_mixture(many, gumbels, normals)
    for place in (-3.5, -2.5, 0.0, 2.0, 4.0):
        expected = 0.25 * norm.cdf(place, -3.0, 0.5) + 0.75 * norm.cdf(place, 1.0, 2.0)
        assert (drawn < place).mean() == pytest.approx(expected, abs=0.01)
    nothing = density.sample_mixture(many[:5], 0.0 * gumbels[:5], 0.0 * normals[:5])
    np.testing.assert_array_equal(nothing, 1.0)
    # Halved temperature: weights squared, stds halved.
    cold = density.sample_mixture(many, 0.5 * gumbels, 0.5 * normals)
    expected = 0.1 * norm.cdf(0.5, -3.0, 0.25) + 0.9 * norm.cdf(0.5, 1.0, 1.0)
    assert (cold < 0.5).mean() == pytest.approx(expected, abs=0.01)


def test_a_latent_is_predicted_from_those_before_it_alone(model: Any) -> None:
    *inputs, following = model.example(frames()[None, :33]).inputs
    before = model.network.predict_on_batch((*inputs, following))
    assert before.shape == (1, 15, N_LATENTS, 3, 2)
    for latent in range(N_LATENTS):
        changed = following.copy()
        changed[0, 7, latent] += 1.0
        moved = np.abs(model.network.predict_on_batch((*inputs, changed)) - before) > 0.0
        assert not moved[0, np.arange(15) != 7].any()
        assert not moved[0, 7, : latent + 1].any()
        assert moved[0, 7, latent + 1 :].any(axis=(-1, -2)).all()


def test_a_step_is_predicted_from_those_before_it_alone(model: Any) -> None:
    steps, *others = model.example(frames()[None, :33]).inputs
    before = model.network.predict_on_batch((steps, *others))
    changed = steps.copy()
    changed[0, 7] += 1.0
    moved = np.abs(model.network.predict_on_batch((changed, *others)) - before) > 1e-6
    assert not moved[0, :7].any()
    assert moved[0, 7:].any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(
    ("components", "hidden_units", "singly"), [(1, 7, 5), (3, 24, 5), (3, 24, 2), (2, 5, 0)]
)
def test_numpy_predicts_as_keras_does(
    density: ModuleType, components: int, hidden_units: int, singly: int
) -> None:
    """Also where units outnumber latents unevenly, and with all weights at random."""
    changes = {"components": components, "hidden_units": hidden_units, "singly": singly}
    changes = {f"density__{key}": value for key, value in (changes | {"together": 2}).items()}
    head = density.MixtureHead(5, model_config("density", **changes).density)
    hidden, last, latents = (
        RNG.standard_normal((3, 1, size)).astype(np.float32) for size in (6, 5, 5)
    )
    head(hidden, last, latents)
    head.set_weights([0.3 * RNG.standard_normal(w.shape) for w in head.get_weights()])
    expected = np.asarray(head(hidden, last, latents))[:, 0]
    bounds = np.array([[-1e6] * 5, [1e6] * 5])
    sampler = head.sampler(np.ones(5, np.float32), bounds)
    found = sampler.mixtures(hidden[:, 0], last[:, 0], latents[:, 0])
    found[:, :, 2] = np.log(np.exp(found[:, :, 2]) + 0.05)  # the least std
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
    # At temperature 0, what is drawn are the means of the heaviest component, draw after draw.
    uniforms = RNG.random((3, *sampler.uniforms_shape))
    drawn = sampler.draw(hidden[:, 0], last[:, 0], uniforms, 0.0)
    of_drawn = np.asarray(head(hidden, last, drawn[:, None]))[:, 0]
    draws = density.draws_of(5, model_config("density", **changes).density)
    together = draws[:, None] == draws
    heaviest = np.einsum("lm,nmc->nlc", together, of_drawn[:, :, 0]).argmax(axis=-1)
    means = np.take_along_axis(of_drawn[:, :, 1], heaviest[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(drawn, means, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_network_gone_wild_draws_nothing_that_training_never_held(
    temperature: float, density: ModuleType
) -> None:
    model = built("density")
    head = next(layer for layer in model.network.layers if isinstance(layer, density.MixtureHead))
    bias = np.asarray(head.output_bias).reshape(N_LATENTS, 3, 2).copy()
    bias[:, 1:] = 500.0  # means, and the logarithms of the stds
    head.output_bias.assign(bias.reshape(-1))
    with np.errstate(all="raise", under="ignore"):
        drawn = sample(model, 0, 1, temperature=temperature)
    assert np.isfinite(drawn).all()
    lowest, highest = extremes = model.arrays()["extremes"]
    hidden, last = np.zeros((3, 24), np.float32), np.zeros((3, N_LATENTS), np.float32)
    sampler = head.sampler(np.ones(N_LATENTS, np.float32), extremes)
    latents = sampler.draw(hidden, last, RNG.random((3, *sampler.uniforms_shape)), temperature)
    assert (latents >= lowest - 1e-5).all()
    assert (latents <= highest + 1e-5).all()


def test_stds_have_a_floor(density: ModuleType) -> None:
    changes = {"density__components": 1, "density__hidden_units": 4}
    head = density.MixtureHead(2, model_config("density", **changes).density)
    nothing = np.zeros((1, 1, 2), np.float32)
    head(np.zeros((1, 1, 3), np.float32), nothing, nothing)
    head.output_bias.assign(np.full(6, -100.0, np.float32))
    mixtures = np.asarray(head(np.zeros((1, 1, 3), np.float32), nothing, nothing))
    np.testing.assert_allclose(np.exp(mixtures[..., 2, :]), 0.05, rtol=1e-4)


def test_an_untrained_density_predicts_a_share_of_the_last_step() -> None:
    windows = next(iter(batches("train", batch_size=60).epoch(0)))
    latents, _ = expected_latents(windows)
    before, after = latents[:, :-1], latents[:, 1:]
    correlations = (before * after).sum(axis=(0, 1)) / (before**2).sum(axis=(0, 1))
    assert correlations.max() > 0.5
    model = built("density")
    mixtures = model.network.predict_on_batch(model.example(windows).inputs)
    means = mixtures[:, :, :, 1].mean(axis=-1)
    np.testing.assert_allclose(means, correlations * before, atol=0.3)
    assert np.abs(means - correlations * before).mean() < 0.03


def test_the_marginal_baseline_is_the_entropy_of_a_gaussian(model: Any) -> None:
    losses = model.baseline_losses(batches("train"), batches("train"))
    # Of about std 1 in each window: ½ log 2πe nats, but for the least variance of the norm.
    assert losses["marginal_gaussian"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), rel=0.1)


def test_latents_that_vary_more_count_more(model: Any, density: ModuleType) -> None:
    _, pca = expected_latents(frames()[None, :33])
    weights = pca.stds / pca.stds.mean()
    targets = model.example(frames()[None, :33]).targets
    mixtures = RNG.standard_normal((*targets.shape, 3, 2)).astype(np.float32)
    one_by_one = [
        float(density.negative_log_likelihood(targets[..., one], mixtures[..., one, :, :], ONE))
        for one in map(slice, range(N_LATENTS), range(1, N_LATENTS + 1))
    ]
    found = float(model.loss(targets, mixtures))
    assert found == pytest.approx(np.mean(weights * one_by_one), rel=1e-4)
