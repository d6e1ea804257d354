"""The recurrent network of ``tokens`` and ``density``: a stack of GRUs, and the same in NumPy.

The stack is trained as Keras layers and sampled step by step in NumPy on the same weights: a step
is too small for a compiled call to pay (0.06 ms against 0.6 ms). A property test holds the two
equal. Source: Cho et al. 2014, in the variant Keras calls ``reset_after`` (one bias for each
product).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from soundloom.models.config import BackboneConfig
from soundloom.models.rowwise import rowwise_matmul, sigmoid


class Backbone(keras.layers.Layer):
    """``(batch, n_steps, n_inputs), (batch, n_constant)`` → ``(batch, n_steps, units)``.

    The constant inputs reach every step alike. Each GRU after the first adds to its own input.
    """

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.units = config.units
        self._from_inputs = keras.layers.Dense(config.units)
        self._from_constant = keras.layers.Dense(config.units, use_bias=False)
        self._grus = [Gru(config.units) for _ in range(config.layers)]
        self._dropout = keras.layers.Dropout(config.dropout)

    def build(self, inputs_shape: Any, constant_shape: Any) -> None:
        self._from_inputs.build(inputs_shape)
        self._from_constant.build(constant_shape)
        for gru in self._grus:
            gru.build((*inputs_shape[:-1], self.units))

    def call(self, inputs: Any, constant: Any, training: bool | None = None) -> Any:
        # (batch, n_steps, units)
        hidden = self._from_inputs(inputs) + self._from_constant(constant)[:, None]
        for number, gru in enumerate(self._grus):
            dropped = self._dropout(hidden, training=training)
            hidden = gru(dropped) if number == 0 else hidden + gru(dropped)
        return self._dropout(hidden, training=training)

    def sampler(self) -> BackboneSampler:
        """The same stack in NumPy, one step at a time."""
        return BackboneSampler(
            kernel=ops.convert_to_numpy(self._from_inputs.kernel),
            bias=ops.convert_to_numpy(self._from_inputs.bias),
            constant_kernel=ops.convert_to_numpy(self._from_constant.kernel),
            grus=tuple(
                GruWeights(*(ops.convert_to_numpy(weight) for weight in gru.weights))
                for gru in self._grus
            ),
        )


class GruWeights(NamedTuple):
    """Weights of a :class:`Gru`: gates in the order update, reset, candidate."""

    kernel: np.ndarray
    """``(n_inputs, 3 * units)``."""
    recurrent_kernel: np.ndarray
    """``(units, 3 * units)``."""
    bias: np.ndarray
    """``(2, 3 * units)``: of the inputs' product, and of the state's."""


class BackboneState(NamedTuple):
    """Where ``n`` sequences are."""

    offset: np.ndarray
    """``(n, units)``: bias and constant inputs, the same at every step."""
    of_grus: tuple[np.ndarray, ...]
    """``(n, units)`` for each GRU."""


class BackboneSampler(NamedTuple):
    """A :class:`Backbone` in NumPy: a step of each sequence at a time, each row by itself."""

    kernel: np.ndarray
    bias: np.ndarray
    constant_kernel: np.ndarray
    grus: tuple[GruWeights, ...]

    def start(self, constant: np.ndarray) -> BackboneState:
        """The state before the first step of sequences with these inputs ``(n, n_constant)``."""
        offset = self.bias + rowwise_matmul(constant, self.constant_kernel)
        return BackboneState(offset, tuple(np.zeros_like(offset) for _ in self.grus))

    def step(self, inputs: np.ndarray, state: BackboneState) -> tuple[np.ndarray, BackboneState]:
        """``(n, n_inputs)`` → ``(n, units)``, and the state after it."""
        hidden = rowwise_matmul(inputs, self.kernel) + state.offset
        states = []
        for number, (weights, before) in enumerate(zip(self.grus, state.of_grus, strict=True)):
            after = _gru_step(hidden, before, weights)
            states.append(after)
            hidden = after if number == 0 else hidden + after
        return hidden, BackboneState(state.offset, tuple(states))


def _gru_step(inputs: np.ndarray, state: np.ndarray, weights: GruWeights) -> np.ndarray:
    """``(n, n_inputs), (n, units)`` → ``(n, units)``."""
    units = state.shape[1]
    from_inputs = rowwise_matmul(inputs, weights.kernel) + weights.bias[0]
    from_state = rowwise_matmul(state, weights.recurrent_kernel) + weights.bias[1]
    update, reset = np.split(
        sigmoid(from_inputs[:, : 2 * units] + from_state[:, : 2 * units]), 2, axis=1
    )
    candidate = np.tanh(from_inputs[:, 2 * units :] + reset * from_state[:, 2 * units :])
    return update * state + (1.0 - update) * candidate


class Gru(keras.layers.Layer):
    """Keras's GRU with all it can taken out of the loop over steps, which takes half the time.

    ``(batch, n_steps, n_inputs)`` → ``(batch, n_steps, units)``. Only what needs the step before
    stays in the loop, forward and backward; the rest is a few large products over all steps. Keras
    and the automatic gradient of a loop make small products of all of it, and add up the gradient
    of every weight anew at every step.
    """

    def __init__(self, units: int):
        super().__init__()
        self.units = units

    def build(self, inputs_shape: Any) -> None:
        n_gates = 3 * self.units
        self.kernel = self.add_weight(
            shape=(inputs_shape[-1], n_gates), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, n_gates), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(2, n_gates), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        from_inputs = ops.matmul(inputs, self.kernel) + self.bias[0]
        steps_first = ops.transpose(from_inputs, (1, 0, 2))
        # TensorFlow has custom gradients of values, not of variables: "1.0 *" makes it one.
        states = _states(steps_first, 1.0 * self.recurrent_kernel, self.bias[1])
        return ops.transpose(states, (1, 0, 2))


@ops.custom_gradient
def _states(from_inputs: Any, recurrent: Any, bias: Any) -> Any:
    """The states of a GRU after every step, from 0: ``(n_steps, batch, 3 * units)`` → units."""
    units = recurrent.shape[0]
    start = ops.zeros_like(from_inputs[0, :, :units])

    def forward(state: Any, from_input: Any) -> tuple[Any, Any]:
        update, _, candidate, _ = _gates(from_input, state, recurrent, bias)
        state = update * state + (1.0 - update) * candidate
        return state, state

    _, states = ops.scan(forward, start, from_inputs)

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        d_states = arguments[0] if upstream is None else upstream
        before = ops.concatenate([start[None], states[:-1]], axis=0)
        update, reset, candidate, from_state = _gates(from_inputs, before, recurrent, bias)
        # Derivatives of a state by the sums that its gates and its candidate are made of.
        to_candidate = (1.0 - update) * (1.0 - candidate * candidate)
        to_sums = ops.concatenate(
            [
                (before - candidate) * update * (1.0 - update),
                to_candidate * from_state * reset * (1.0 - reset),
                to_candidate * reset,
            ],
            axis=-1,
        )  # (n_steps, batch, 3 * units)
        transposed = ops.transpose(recurrent)

        def backward(d_later: Any, known: Any) -> tuple[Any, Any]:
            d_state, to_sum, kept = ops.split(known, [units, 4 * units], axis=-1)
            d_state = d_state + d_later
            return d_state * kept + ops.matmul(_thrice(d_state) * to_sum, transposed), d_state

        known = ops.concatenate([d_states, to_sums, update], axis=-1)
        _, totals = ops.scan(backward, start, known, reverse=True)
        d_sums = _thrice(totals) * to_sums
        d_inputs = ops.concatenate([d_sums[..., : 2 * units], totals * to_candidate], axis=-1)
        d_recurrent = ops.matmul(
            ops.transpose(ops.reshape(before, (-1, units))),
            ops.reshape(d_sums, (-1, 3 * units)),
        )
        return d_inputs, d_recurrent, ops.sum(d_sums, axis=(0, 1))

    return states, gradient


def _gates(from_inputs: Any, state: Any, recurrent: Any, bias: Any) -> tuple[Any, Any, Any, Any]:
    """Update and reset gates, candidate, and the state's share of the candidate's sum."""
    units = recurrent.shape[0]
    from_state = ops.matmul(state, recurrent) + bias
    gates = ops.sigmoid(from_inputs[..., : 2 * units] + from_state[..., : 2 * units])
    update, reset = gates[..., :units], gates[..., units:]
    from_state = from_state[..., 2 * units :]
    return (
        update,
        reset,
        ops.tanh(from_inputs[..., 2 * units :] + reset * from_state),
        from_state,
    )


def _thrice(values: Any) -> Any:
    return ops.concatenate([values, values, values], axis=-1)
