"""The GRU: Keras's own, in another order of computing."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from soundloom.models.backbone import Gru

RNG = np.random.default_rng(0)
UNITS, N_INPUTS = 5, 3


@pytest.fixture(params=[2, 17])
def inputs(request: pytest.FixtureRequest) -> np.ndarray:
    """A batch of sequences, short or long."""
    return RNG.standard_normal((4, request.param, N_INPUTS)).astype(np.float32)


def pair(n_steps: int) -> tuple[keras.Model, keras.Model]:
    """Our GRU and Keras's in a network each, with the same weights, none of them 0."""
    layers: tuple[Any, Any] = (
        Gru(UNITS), keras.layers.GRU(UNITS, return_sequences=True, use_cudnn=False),
    )  # fmt: skip
    networks = []
    for layer in layers:
        given = keras.Input((n_steps, N_INPUTS))
        networks.append(keras.Model(given, layer(given)))
    weights = [RNG.standard_normal(array.shape) for array in layers[1].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return networks[0], networks[1]


def test_states_are_those_of_keras(inputs: np.ndarray) -> None:
    ours, theirs = pair(inputs.shape[1])
    np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_are_those_of_keras(inputs: np.ndarray, jit_compile: bool) -> None:
    wanted = RNG.standard_normal((*inputs.shape[:2], UNITS)).astype(np.float32)
    moved = []
    for network in pair(inputs.shape[1]):
        before = network.get_weights()
        network.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
        network.train_on_batch(inputs, wanted)
        moved.append([new - old for new, old in zip(network.get_weights(), before, strict=True)])
    for ours, theirs in zip(*moved, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_gradients_reach_what_is_before(inputs: np.ndarray) -> None:
    """A layer in front learns the same too: the gradient of the inputs is right."""
    moved = []
    weights = None
    for gru in pair(inputs.shape[1]):
        given = keras.Input((inputs.shape[1], N_INPUTS))
        front = keras.layers.Dense(N_INPUTS)
        network = keras.Model(given, gru(front(given)))
        weights = weights or front.get_weights()
        front.set_weights(weights)
        gru.trainable = False
        network.compile(keras.optimizers.SGD(1.0), "mse")
        network.train_on_batch(inputs, np.ones((*inputs.shape[:2], UNITS), np.float32))
        moved.append(front.get_weights()[0] - weights[0])
    assert np.abs(moved[1]).max() > 1e-3
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-5)
