"""The tokens model: codebooks that refine, and a head whose NumPy double spells the same."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.models.backbone import times
from soundloom.models.tokens import Tokens, cross_entropy, dequantise, fit_codebooks, quantise
from test_models import FRAMES, FRAMES_PER_SECOND, batches, model_config, sample, trained

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((3000, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Tokens:
    return trained("tokens")[0]


def test_each_codebook_leaves_less() -> None:
    codebooks = fit_codebooks(POINTS, 4, 16)
    assert codebooks.shape == (4, 16, 5)
    codes = quantise(POINTS, codebooks)
    errors = [
        np.square(POINTS - dequantise(codes[:, :levels], codebooks[:levels])).mean()
        for levels in range(1, 5)
    ]
    assert errors[0] < 0.6 * POINTS.var()
    assert (np.diff(errors) < -0.1 * np.array(errors[:-1])).all()
    np.testing.assert_array_equal(codebooks, fit_codebooks(POINTS, 4, 16))


def test_code_words_are_found_again() -> None:
    first = np.array([[10.0, 0.0], [-10.0, 0.0]], np.float32)
    second = np.array([[0.0, 1.0], [0.0, -1.0]], np.float32)
    codebooks = np.stack([first, second])
    point = np.array([[[-9.0, 0.8]]], np.float32)
    codes = quantise(point, codebooks)
    np.testing.assert_array_equal(codes, [[[1, 0]]])
    np.testing.assert_array_equal(dequantise(codes, codebooks), [[[-10.0, 1.0]]])


def test_fewer_points_than_codes() -> None:
    codebooks = fit_codebooks(POINTS[:3], 2, 8)
    restored = dequantise(quantise(POINTS[:3], codebooks), codebooks)
    np.testing.assert_allclose(restored, POINTS[:3], atol=0.1)  # mini-batches leave a little


def test_cross_entropy_by_hand() -> None:
    logits = np.log(np.array([[[0.5, 0.25, 0.25]]], np.float32))
    codes = np.array([[0]])
    assert float(cross_entropy(codes, logits, 0.0)) == pytest.approx(np.log(2))
    smoothed = 0.9 * np.log(2) + 0.1 * (np.log(2) + 2 * np.log(4)) / 3
    assert float(cross_entropy(codes, logits, 0.1)) == pytest.approx(smoothed)


def test_a_code_is_predicted_from_those_before_it_alone(model: Tokens) -> None:
    (heard, hands, told, following), _ = model.example(FRAMES[None, :33])
    before = model.network.predict_on_batch((heard, hands, told, following))
    assert before.shape == (1, 15, 3, 16)
    for level in range(3):
        changed = following.copy()
        changed[0, 7, level] = (changed[0, 7, level] + 5) % 16
        moved = (
            np.abs(model.network.predict_on_batch((heard, hands, told, changed)) - before) > 1e-6
        )
        others = np.delete(np.arange(15), 7)
        assert not moved[0, others].any()
        assert not moved[0, 7, : level + 1].any()
        assert moved[0, 7, level + 1 :].any(axis=-1).all()


def test_numpy_spells_as_keras_does(model: Tokens) -> None:
    (heard, hands, told, following), _ = model.example(FRAMES[None, 100:133].repeat(2, axis=0))
    following[1] = (following[1] + 1) % 16
    expected = model.network.predict_on_batch((heard, hands, told, following))
    table = np.asarray(model._embed.embeddings)
    backbone, head = model._backbone.stepper(told), model._head.sampler()
    for step in range(heard.shape[1]):
        embedded = table[heard[:, step] + model._rows].sum(axis=1)
        hidden = backbone.step(np.concatenate([embedded, hands[:, step]], axis=1))
        for level, logits in head.logits(hidden, following[:, step]):
            np.testing.assert_allclose(logits, expected[:, step, level], atol=1e-4)


def test_token_noise_falls_on_what_is_heard_alone() -> None:
    config = model_config("tokens")
    noisy = config.tokens.model_copy(update={"token_noise": 0.25})
    model = Tokens(config.model_copy(update={"tokens": noisy}), FRAMES.shape[1], FRAMES_PER_SECOND)
    model.prepare(batches("train"))
    windows = np.stack([FRAMES[:201]] * 8)
    (clean, _, _, following), answer = model.example(windows)
    (heard, _, _, still), target = model.example(windows, np.random.default_rng(0))
    # A random code is the right one once in 16.
    assert (heard != clean).mean() == pytest.approx(0.25 * 15 / 16, abs=0.03)
    for codes in (following, still, target):
        np.testing.assert_array_equal(codes, answer)


def test_embeddings_start_as_code_words() -> None:
    model = Tokens(model_config("tokens"), FRAMES.shape[1], FRAMES_PER_SECOND)
    model.prepare(batches("train"))
    latents = model._latents
    codes = quantise(latents.encode(FRAMES[:64]), model._codebooks)
    heard = np.asarray(model._embed(codes + model._rows)).sum(axis=-2)
    restored = dequantise(codes, model._codebooks) / latents.deviations
    np.testing.assert_allclose(heard, restored, atol=1e-4)


def test_the_baseline_is_the_entropy_of_the_codes(model: Tokens) -> None:
    part = batches("train")
    codes = np.concatenate(list(model._codes(part))).reshape(-1, 3)
    entropy = 0.0
    for level in range(3):
        rates = np.bincount(codes[:, level], minlength=16) / len(codes)
        entropy -= (rates[rates > 0] * np.log(rates[rates > 0])).sum() / 3
    found = model.baseline_losses(part, part)["code_frequencies"]
    assert found == pytest.approx(entropy, rel=0.02)


def test_samples_are_made_of_code_words(model: Tokens) -> None:
    frames = sample(model, 0)
    latents = model._latents
    codes = quantise(latents.encode(frames), model._codebooks)
    restored = latents.decode(dequantise(codes, model._codebooks))
    inside = (restored > 0.001) & (restored < 0.999)
    assert np.abs(restored - frames)[inside].mean() < 0.01


def test_rows_do_not_depend_on_their_neighbours() -> None:
    rows, matrix = POINTS[:7], RNG.standard_normal((5, 33)).astype(np.float32)
    np.testing.assert_array_equal(times(rows, matrix)[2:3], times(rows[2:3], matrix))
    np.testing.assert_allclose(times(rows, matrix), rows @ matrix, atol=1e-5)
