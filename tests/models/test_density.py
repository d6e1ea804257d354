"""The density model: a proper density, each latent from those before it, NumPy as Keras."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from soundloom.models.config import DensityConfig
from soundloom.models.density import (
    Density,
    MixtureHead,
    draw_from_mixture,
    negative_log_likelihood,
)
from soundloom.models.sampling import gumbel
from test_models import FRAMES, FRAMES_PER_SECOND, batches, model_config, sample, trained

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Density:
    return trained("density")[0]


def prepared() -> Density:
    """A model that is about to be trained."""
    model = Density(model_config("density"), FRAMES.shape[1], FRAMES_PER_SECOND)
    model.prepare(batches("train"))
    return model


def test_the_density_integrates_to_1() -> None:
    mixture = RNG.standard_normal((1, 3, 4)).astype(np.float32)
    places = np.linspace(-30.0, 30.0, 1001, dtype=np.float32)
    densities = [np.exp(-float(negative_log_likelihood(place[None], mixture))) for place in places]
    assert np.trapezoid(densities, places) == pytest.approx(1.0, abs=1e-3)


def test_the_likelihood_by_hand() -> None:
    # Half N(0, 1), half N(2, e²), at 1.
    mixture = np.array([[[0.3, 0.3], [0.0, 2.0], [0.0, 1.0]]], np.float32)
    expected = -np.log(0.5 * norm.pdf(1.0) + 0.5 * norm.pdf(1.0, 2.0, np.e))
    found = float(negative_log_likelihood(np.array([1.0], np.float32), mixture))
    assert found == pytest.approx(expected, rel=1e-5)


def test_draws_follow_the_mixture() -> None:
    mixture = np.array([[np.log([0.25, 0.75]), [-3.0, 1.0], np.log([0.5, 2.0])]])
    heights, normals = gumbel(RNG.random((40_000, 2))), RNG.standard_normal(40_000)
    many = np.repeat(mixture, len(normals), axis=0)
    drawn = draw_from_mixture(many, heights, normals)
    for place in (-3.5, -2.5, 0.0, 2.0, 4.0):
        expected = 0.25 * norm.cdf(place, -3.0, 0.5) + 0.75 * norm.cdf(place, 1.0, 2.0)
        assert (drawn < place).mean() == pytest.approx(expected, abs=0.01)
    nothing = draw_from_mixture(many[:5], 0.0 * heights[:5], 0.0 * normals[:5])
    np.testing.assert_array_equal(nothing, 1.0)
    # Halved temperature: weights squared, deviations halved.
    cold = draw_from_mixture(many, 0.5 * heights, 0.5 * normals)
    expected = 0.1 * norm.cdf(0.5, -3.0, 0.25) + 0.9 * norm.cdf(0.5, 1.0, 1.0)
    assert (cold < 0.5).mean() == pytest.approx(expected, abs=0.01)


def test_a_latent_is_predicted_from_those_before_it_alone(model: Density) -> None:
    (heard, hands, told, following), _ = model.example(FRAMES[None, :33])
    before = model.network.predict_on_batch((heard, hands, told, following))
    assert before.shape == (1, 15, 12, 3, 2)
    for latent in range(12):
        changed = following.copy()
        changed[0, 7, latent] += 1.0
        moved = np.abs(model.network.predict_on_batch((heard, hands, told, changed)) - before) > 0.0
        assert not moved[0, np.arange(15) != 7].any()
        assert not moved[0, 7, : latent + 1].any()
        assert moved[0, 7, latent + 1 :].any(axis=(-1, -2)).all()


def test_a_step_is_predicted_from_those_before_it_alone(model: Density) -> None:
    (heard, hands, told, following), _ = model.example(FRAMES[None, :33])
    before = model.network.predict_on_batch((heard, hands, told, following))
    changed = heard.copy()
    changed[0, 7] += 1.0
    moved = (
        np.abs(model.network.predict_on_batch((changed, hands, told, following)) - before) > 1e-6
    )
    assert not moved[0, :7].any()
    assert moved[0, 7:].any(axis=(1, 2, 3)).all()


def test_numpy_predicts_as_keras_does(model: Density) -> None:
    (heard, hands, told, following), _ = model.example(FRAMES[None, 100:133].repeat(2, axis=0))
    heard[1], following[1] = -heard[1], -following[1]
    expected = model.network.predict_on_batch((heard, hands, told, following))
    backbone, head = model._backbone.stepper(told), model._head.sampler()
    for step in range(heard.shape[1]):
        hidden = backbone.step(np.concatenate([heard[:, step], hands[:, step]], axis=1))
        mixtures = head.mixtures(hidden, heard[:, step], following[:, step])
        for latent, mixture in mixtures:
            mixture[:, 2] = np.log(np.exp(mixture[:, 2]) + head.least_scale)
            np.testing.assert_allclose(mixture, expected[:, step, latent], atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_network_gone_wild_draws_nothing_that_training_never_held(temperature: float) -> None:
    model = prepared()
    bias = np.asarray(model._head.output_bias).reshape(12, 3, 2).copy()
    bias[:, 1:] = 500.0  # means, and the logarithms of the deviations
    model._head.output_bias.assign(bias.reshape(-1))
    with np.errstate(all="raise", under="ignore"):
        frames = sample(model, 0, 1, temperature=temperature)
    assert np.isfinite(frames).all()
    extremes = model._extremes
    head = model._head.sampler()
    hidden = np.zeros((3, model._config.backbone.units), np.float32)
    drawn = head.draw(
        hidden, np.zeros((3, 12), np.float32), RNG.random((3, 12, 3)), temperature, 1.0, extremes
    )
    assert (drawn >= extremes[0] - 1e-5).all()
    assert (drawn <= extremes[1] + 1e-5).all()


def test_deviations_have_a_floor() -> None:
    config = DensityConfig(
        components=1, hidden_units=4, dropout=0.0, input_noise=0.0, emphasis=0.0, min_scale=0.05
    )
    head = MixtureHead(2, config)
    nothing = np.zeros((1, 1, 2), np.float32)
    head(np.zeros((1, 1, 3), np.float32), nothing, nothing)
    head.output_bias.assign(np.full(6, -100.0, np.float32))
    mixtures = np.asarray(head(np.zeros((1, 1, 3), np.float32), nothing, nothing))
    np.testing.assert_allclose(np.exp(mixtures[..., 2, :]), 0.05, rtol=1e-4)


def test_an_untrained_density_predicts_from_the_last_step() -> None:
    model = prepared()
    (windows,) = [next(iter(batches("train").epoch(0)))]
    inputs, following = model.example(windows)
    loss = float(negative_log_likelihood(following, model.network.predict_on_batch(inputs)))
    assert loss < model.baseline_losses(batches("train"), batches("train"))["marginal_gaussian"]


def test_the_marginal_baseline_is_the_entropy_of_a_gaussian(model: Density) -> None:
    losses = model.baseline_losses(batches("train"), batches("train"))
    # Standardised on the same windows: ½ log 2πe nats, but for the first step of each window.
    assert losses["marginal_gaussian"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), rel=0.05)


def test_latents_that_vary_more_count_more() -> None:
    config = model_config("density")
    for emphasis in (0.0, 0.5, 1.0):
        density = config.density.model_copy(update={"emphasis": emphasis})
        changed = config.model_copy(update={"density": density})
        model = Density(changed, FRAMES.shape[1], FRAMES_PER_SECOND)
        model.prepare(batches("train"))
        weights, deviations = model._emphasis(), model._latents.deviations
        assert weights.mean() == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_allclose(
            weights / weights[0], (deviations / deviations[0]) ** emphasis, rtol=1e-4
        )
        (heard, *_), answer = model.example(FRAMES[None, :33])
        np.testing.assert_allclose(heard[:, 1:], (answer * weights)[:, :-1], rtol=1e-5)
        mixtures = RNG.standard_normal((*answer.shape, 3, 2)).astype(np.float32)
        one_by_one = [
            float(negative_log_likelihood(answer[..., latent], mixtures[..., latent, :, :]))
            for latent in range(12)
        ]
        found = float(model.loss()(answer, mixtures))
        assert found == pytest.approx(np.mean(weights * one_by_one), rel=1e-4)


def test_noise_falls_on_what_is_heard_alone(model: Density) -> None:
    windows = np.stack([FRAMES[:201]] * 64)
    (clean, *_), answer = model.example(windows)
    (heard, _, _, following), target = model.example(windows, np.random.default_rng(0))
    levels = ((heard - clean) / model._emphasis()).std(axis=(1, 2))
    assert 0.0 <= levels.min() < 0.1
    assert 0.4 < levels.max() <= 0.55
    for latents in (following, target):
        np.testing.assert_array_equal(latents, answer)


def test_a_continuation_does_not_depend_on_those_beside_it(model: Density) -> None:
    np.testing.assert_array_equal(
        sample(model, 0, 1, n_frames=600)[0], sample(model, 0, n_frames=600)[0]
    )
