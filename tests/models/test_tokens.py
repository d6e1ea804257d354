"""The tokens model: codebooks that refine, and a head that predicts codes level by level."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from small_models import N_LATENTS, batches, built, frames, model_config, sample, trained_once
from soundloom.models.instance_norm import InstanceNorm, statistics_of
from soundloom.models.latents import Latents

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((3000, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    return trained_once("tokens")[0]


def expected_codes(windows: np.ndarray, model: Any, tokens: ModuleType) -> np.ndarray:
    """Codes of windows in the model's codebooks, found without the model."""
    pca = Latents.fit(batches("train", seed=0).epoch(0), 2, N_LATENTS)
    standardised = pca.encode(windows) / pca.stds
    normalised = InstanceNorm.of(statistics_of(standardised)).normalise(standardised)
    return tokens.quantise(normalised * pca.stds, model.arrays()["codebooks"])


@pytest.mark.parametrize("n", [1, 3, 7, 1000])
def test_every_nth_row_of_batches_is_that_of_all_together(n: int, tokens: ModuleType) -> None:
    batches_of = np.split(POINTS, [1, 5, 5, 700, 2999])
    np.testing.assert_array_equal(tokens.every_nth(batches_of, n), POINTS[::n])


def test_targets_are_the_steps_after_the_inputs(model: Any, tokens: ModuleType) -> None:
    windows = frames()[None, :33]
    example = model.example(windows)
    codes = expected_codes(windows, model, tokens)
    assert codes.shape == (1, 16, 3)
    np.testing.assert_array_equal(example.inputs[0], codes[:, :-1])
    np.testing.assert_array_equal(example.targets, codes[:, 1:])
    np.testing.assert_array_equal(example.inputs[3], codes[:, 1:])


def test_each_codebook_leaves_less(tokens: ModuleType) -> None:
    codebooks = tokens.fit_codebooks(POINTS, 4, 16)
    assert codebooks.shape == (4, 16, 5)
    codes = tokens.quantise(POINTS, codebooks)
    errors = [
        np.square(POINTS - tokens.dequantise(codes[:, :levels], codebooks[:levels])).mean()
        for levels in range(1, 5)
    ]
    assert errors[0] < 0.6 * POINTS.var()
    assert (np.diff(errors) < -0.1 * np.array(errors[:-1])).all()
    np.testing.assert_array_equal(codebooks, tokens.fit_codebooks(POINTS, 4, 16))


def test_code_words_are_found_again(tokens: ModuleType) -> None:
    first = np.array([[10.0, 0.0], [-10.0, 0.0]], np.float32)
    second = np.array([[0.0, 1.0], [0.0, -1.0]], np.float32)
    codebooks = np.stack([first, second])
    point = np.array([[[-9.0, 0.8]]], np.float32)
    codes = tokens.quantise(point, codebooks)
    np.testing.assert_array_equal(codes, [[[1, 0]]])
    np.testing.assert_array_equal(tokens.dequantise(codes, codebooks), [[[-10.0, 1.0]]])


def test_fewer_points_than_codes(tokens: ModuleType) -> None:
    codebooks = tokens.fit_codebooks(POINTS[:3], 2, 8)
    restored = tokens.dequantise(tokens.quantise(POINTS[:3], codebooks), codebooks)
    np.testing.assert_allclose(restored, POINTS[:3], atol=0.1)  # mini-batches leave a little


def test_cross_entropy_by_hand(tokens: ModuleType) -> None:
    logits = np.log(np.array([[[[0.5, 0.25, 0.25]], [[0.25, 0.25, 0.5]]]], np.float32))
    codes = np.array([[[0], [0]]])
    expected = (np.log(2) + np.log(4)) / 2
    assert float(tokens.cross_entropy(codes, logits)) == pytest.approx(expected)
    weights = np.array([[3.0, 1.0]], np.float32)
    weighted = (3 * np.log(2) + np.log(4)) / 4
    assert float(tokens.cross_entropy(codes, logits, weights)) == pytest.approx(weighted)


def test_a_code_is_predicted_from_those_before_it_alone(model: Any) -> None:
    *inputs, following = model.example(frames()[None, :33]).inputs
    before = model.network.predict_on_batch((*inputs, following))
    assert before.shape == (1, 15, 3, 16)
    for level in range(3):
        changed = following.copy()
        changed[0, 7, level] = (changed[0, 7, level] + 5) % 16
        moved = np.abs(model.network.predict_on_batch((*inputs, changed)) - before) > 1e-6
        others = np.delete(np.arange(15), 7)
        assert not moved[0, others].any()
        assert not moved[0, 7, : level + 1].any()
        assert moved[0, 7, level + 1 :].any(axis=-1).all()


@pytest.mark.parametrize("levels", [1, 3])
def test_numpy_predicts_as_keras_does(levels: int, tokens: ModuleType) -> None:
    head = tokens.CodeHead(model_config("tokens", tokens__levels=levels).tokens)
    hidden = RNG.standard_normal((4, 1, 6)).astype(np.float32)
    codes = RNG.integers(0, 16, (4, 1, levels), np.int32)
    head(hidden, codes)
    head.set_weights([RNG.standard_normal(weight.shape) for weight in head.get_weights()])
    expected = np.asarray(head(hidden, codes))[:, 0]
    sampler = head.sampler(np.zeros((levels * 16, 6), np.float32))
    np.testing.assert_allclose(sampler.logits(hidden[:, 0], codes[:, 0]), expected, atol=1e-3)
    # At temperature 0 the likeliest code is drawn, level after level.
    drawn = sampler.draw(hidden[:, 0], np.zeros((4, 6)), RNG.random((4, levels)), 0.0)
    of_drawn = np.asarray(head(hidden, drawn[:, None]))[:, 0]
    np.testing.assert_array_equal(drawn, of_drawn.argmax(axis=-1))


def test_token_noise_falls_on_the_inputs_alone() -> None:
    model = built(model_config("tokens", tokens__token_noise=0.25))
    windows = np.stack([frames()[:201]] * 8)
    clean = model.example(windows)
    noisy = model.example(windows, training=True, rng=np.random.default_rng(0))
    # A random code is the right one once in 16. Codes themselves move a little, as training
    # normalises by a part of each window: so compare with the next target, which has no noise.
    targets, inputs = noisy.targets[:, :-1], noisy.inputs[0][:, 1:]
    assert (inputs != targets).mean() == pytest.approx(0.25 * 15 / 16, abs=0.03)
    np.testing.assert_array_equal(clean.inputs[0][:, 1:], clean.targets[:, :-1])
    np.testing.assert_array_equal(noisy.inputs[3], noisy.targets)


def test_the_baseline_is_the_entropy_of_the_codes(model: Any, tokens: ModuleType) -> None:
    part = batches("train")
    codes = np.concatenate(
        [expected_codes(windows, model, tokens) for windows in part.epoch(0)]
    ).reshape(-1, 3)
    entropy = 0.0
    for level in range(3):
        rates = np.bincount(codes[:, level], minlength=16) / len(codes)
        entropy -= (rates[rates > 0] * np.log(rates[rates > 0])).sum() / 3
    found = model.baseline_losses(part, part)["code_frequencies"]
    assert found == pytest.approx(entropy, rel=0.02)


def test_samples_are_made_of_code_words(tokens: ModuleType) -> None:
    """Without detail, the latents of a continuation, normalised as its prompt's, are sums."""
    model = built(model_config("tokens"))
    arrays = model.arrays()
    pca = Latents.from_arrays(arrays)
    prompt = frames()[None, 400:440]
    norm = InstanceNorm.of(statistics_of(pca.encode(prompt) / pca.stds))
    drawn = sample(model, 0)
    latents = norm.normalise(pca.encode(drawn) / pca.stds) * pca.stds
    codes = tokens.quantise(latents, arrays["codebooks"])
    restored = tokens.dequantise(codes, arrays["codebooks"])
    assert np.abs(restored - latents).mean() < 0.15 * np.abs(latents).mean()
