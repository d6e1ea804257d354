"""The GRUs: Keras's own, in another order of computing, and both sides of the backbone alike."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from small_models import model_config
from soundloom.models.rowwise import rowwise_matmul

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
UNITS, N_INPUTS = 5, 3


@pytest.fixture(params=[2, 17])
def inputs(request: pytest.FixtureRequest) -> np.ndarray:
    """A batch of sequences, short or long."""
    return RNG.standard_normal((4, request.param, N_INPUTS)).astype(np.float32)


@pytest.fixture
def pair(inputs: np.ndarray, keras: ModuleType, backbone: ModuleType) -> tuple[Any, Any]:
    """Our GRU and Keras's in a network each, with the same weights, none of them 0."""
    layers: tuple[Any, Any] = (
        backbone.Gru(UNITS), keras.layers.GRU(UNITS, return_sequences=True, use_cudnn=False),
    )  # fmt: skip
    networks = []
    for layer in layers:
        sequence = keras.Input((inputs.shape[1], N_INPUTS))
        networks.append(keras.Model(sequence, layer(sequence)))
    weights = [RNG.standard_normal(array.shape) for array in layers[1].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return networks[0], networks[1]


def test_states_are_those_of_keras(inputs: np.ndarray, pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_are_those_of_keras(
    inputs: np.ndarray, pair: tuple[Any, Any], keras: ModuleType, jit_compile: bool
) -> None:
    wanted = RNG.standard_normal((*inputs.shape[:2], UNITS)).astype(np.float32)
    moved = []
    for network in pair:
        before = network.get_weights()
        network.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
        network.train_on_batch(inputs, wanted)
        moved.append([new - old for new, old in zip(network.get_weights(), before, strict=True)])
    for ours, theirs in zip(*moved, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_gradients_reach_what_is_before(
    inputs: np.ndarray, pair: tuple[Any, Any], keras: ModuleType
) -> None:
    """A layer in front learns the same too: the gradient of the inputs is right."""
    moved = []
    weights = None
    for gru in pair:
        sequence = keras.Input((inputs.shape[1], N_INPUTS))
        front = keras.layers.Dense(N_INPUTS)
        network = keras.Model(sequence, gru(front(sequence)))
        weights = weights or front.get_weights()
        front.set_weights(weights)
        gru.trainable = False
        network.compile(keras.optimizers.SGD(1.0), "mse")
        network.train_on_batch(inputs, np.ones((*inputs.shape[:2], UNITS), np.float32))
        moved.append(front.get_weights()[0] - weights[0])
    assert np.abs(moved[1]).max() > 1e-3
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("n_constant", [0, 4])
def test_numpy_steps_as_keras_runs(layers: int, n_constant: int, backbone: ModuleType) -> None:
    config = model_config("density", backbone__layers=layers).backbone
    network = backbone.Backbone(config)
    inputs = RNG.standard_normal((3, 9, N_INPUTS)).astype(np.float32)
    constant = RNG.standard_normal((3, n_constant)).astype(np.float32)
    expected = np.asarray(network(inputs, constant))
    sampler = network.sampler()
    state = sampler.start(constant)
    for step in range(inputs.shape[1]):
        hidden, state = sampler.step(inputs[:, step], state)
        np.testing.assert_allclose(hidden, expected[:, step], atol=1e-5)


def test_stepping_leaves_the_state_before_as_it_was(backbone: ModuleType) -> None:
    network = backbone.Backbone(model_config("density").backbone)
    inputs = RNG.standard_normal((2, 1, N_INPUTS)).astype(np.float32)
    constant = np.zeros((2, 1), np.float32)
    network(inputs, constant)
    sampler = network.sampler()
    start = sampler.start(constant)
    once, after = sampler.step(inputs[:, 0], start)
    sampler.step(inputs[:, 0], after)
    np.testing.assert_array_equal(sampler.step(inputs[:, 0], start)[0], once)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    rows = RNG.standard_normal((7, 5)).astype(np.float32)
    matrix = RNG.standard_normal((5, 33)).astype(np.float32)
    product = rowwise_matmul(rows, matrix)
    np.testing.assert_array_equal(product[2:3], rowwise_matmul(rows[2:3], matrix))
    np.testing.assert_allclose(product, rows @ matrix, atol=1e-5)
