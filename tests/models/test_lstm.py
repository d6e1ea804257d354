"""The notebook's model: what it is trained on, what it starts at, and its noise."""

from __future__ import annotations

import numpy as np
import pytest

from small_models import N_BINS, batches, built, frames, model_config, train_config, trained

pytestmark = pytest.mark.slow


def test_targets_are_the_frames_after_the_inputs() -> None:
    windows = next(iter(batches("train").epoch(0)))
    example = built("lstm").example(windows)
    assert example.inputs.shape == (len(windows), 32, N_BINS)
    np.testing.assert_array_equal(example.inputs, windows[:, :32])
    np.testing.assert_array_equal(example.targets, windows[:, 1:33])


def test_an_untrained_lstm_repeats_the_last_frame() -> None:
    model = built("lstm")
    context = np.clip(frames()[None, 100:120], 0.01, 0.99)
    np.testing.assert_allclose(model.network.predict_on_batch(context), context, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_numpy_predicts_as_keras_does(layers: int) -> None:
    model, _ = trained(built(model_config("lstm", lstm__layers=layers)), train_config(epochs=1))
    context = frames()[None, 100:140].repeat(2, axis=0)
    context[1] = context[1, ::-1]
    expected = model.network.predict_on_batch(context)
    sampler = model.sampler()
    state = sampler.start(2)
    for step in range(context.shape[1]):
        predicted, state = sampler.step(context[:, step], state)
        np.testing.assert_allclose(predicted, expected[:, step], atol=1e-5)


def test_its_noise_has_the_covariance_of_its_residuals() -> None:
    model, _ = trained(built("lstm"), train_config(epochs=1))
    residuals = np.concatenate(
        [
            (example.targets - model.network.predict_on_batch(example.inputs)).reshape(-1, N_BINS)
            for example in map(model.example, batches("validation").epoch(0))
        ]
    )
    factor = model.arrays()["residual_factor"]
    expected = residuals.T @ residuals / len(residuals)
    np.testing.assert_allclose(factor @ factor.T, expected, atol=1e-5)


def test_at_temperature_0_it_continues_by_its_own_predictions() -> None:
    """The notebook's continuation: each prediction is the next input."""
    model, _ = trained(built("lstm"), train_config(epochs=1))
    sequence = frames()[None, 100:120]
    drawn = model.sample(sequence, 5, temperature=0.0, rngs=[np.random.default_rng(0)])
    for step in range(5):
        predicted = model.network.predict_on_batch(sequence)[:, -1:]
        np.testing.assert_allclose(drawn[:, step : step + 1], predicted, atol=1e-5)
        sequence = np.concatenate([sequence, predicted], axis=1)
