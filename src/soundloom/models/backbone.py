"""A stack of GRUs that remembers what it heard, and is told what it cannot hear.

The stack is trained as Keras layers and sampled step by step in NumPy on the same weights: a step
is too small for a compiled call to pay. Source: Cho et al. 2014, in the variant Keras calls
``reset_after`` (one bias for each product).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from soundloom.models.config import BackboneConfig


class Backbone(keras.layers.Layer):
    """``(batch, n_steps, n_inputs), (batch, n_told)`` → ``(batch, n_steps, units)``.

    What is told reaches every step alike. Each GRU after the first adds to what it was given.
    """

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.units = config.units
        self._enter = keras.layers.Dense(config.units)
        self._tell = keras.layers.Dense(config.units, use_bias=False)
        self._grus = [Gru(config.units) for _ in range(config.layers)]
        self._dropout = keras.layers.Dropout(config.dropout)

    def build(self, inputs_shape: Any, told_shape: Any) -> None:
        self._enter.build(inputs_shape)
        self._tell.build(told_shape)
        for gru in self._grus:
            gru.build((*inputs_shape[:-1], self.units))

    def call(self, inputs: Any, told: Any, training: bool | None = None) -> Any:
        hidden = self._enter(inputs) + self._tell(told)[:, None]
        for number, gru in enumerate(self._grus):
            given = self._dropout(hidden, training=training)
            hidden = gru(given) if number == 0 else hidden + gru(given)
        return self._dropout(hidden, training=training)

    def stepper(self, told: np.ndarray) -> Stepper:
        """The same stack in NumPy, at the start of as many sequences as ``told`` has rows."""
        grus = [tuple(ops.convert_to_numpy(weight) for weight in gru.weights) for gru in self._grus]
        return Stepper(
            ops.convert_to_numpy(self._enter.kernel),
            ops.convert_to_numpy(self._enter.bias)
            + times(told, ops.convert_to_numpy(self._tell.kernel)),
            grus,
        )


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
        of_inputs = ops.matmul(inputs, self.kernel) + self.bias[0]
        steps_first = ops.transpose(of_inputs, (1, 0, 2))
        # TensorFlow has custom gradients of values, not of variables: "1.0 *" makes it one.
        states = _states(steps_first, 1.0 * self.recurrent_kernel, self.bias[1])
        return ops.transpose(states, (1, 0, 2))


@ops.custom_gradient
def _states(of_inputs: Any, recurrent: Any, bias: Any) -> Any:
    """The states of a GRU after every step, from 0: ``(n_steps, batch, 3 * units)`` → units."""
    units = recurrent.shape[0]
    start = ops.zeros_like(of_inputs[0, :, :units])

    def forward(state: Any, of_input: Any) -> tuple[Any, Any]:
        update, _, candidate, _ = _gates(of_input, state, recurrent, bias)
        state = update * state + (1.0 - update) * candidate
        return state, state

    _, states = ops.scan(forward, start, of_inputs)

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        of_states = arguments[0] if upstream is None else upstream
        before = ops.concatenate([start[None], states[:-1]], axis=0)
        update, reset, candidate, of_state = _gates(of_inputs, before, recurrent, bias)
        # What a state's gradient is times, to be that of the gates' and the candidate's sums.
        to_candidate = (1.0 - update) * (1.0 - candidate * candidate)
        to_sums = ops.concatenate(
            [
                (before - candidate) * update * (1.0 - update),
                to_candidate * of_state * reset * (1.0 - reset),
                to_candidate * reset,
            ],
            axis=-1,
        )
        back = ops.transpose(recurrent)

        def backward(of_later: Any, known: Any) -> tuple[Any, Any]:
            of_this, to_sum, kept = ops.split(known, [units, 4 * units], axis=-1)
            of_this = of_this + of_later
            return of_this * kept + ops.matmul(_thrice(of_this) * to_sum, back), of_this

        known = ops.concatenate([of_states, to_sums, update], axis=-1)
        _, totals = ops.scan(backward, start, known, reverse=True)
        of_sums = _thrice(totals) * to_sums
        of_inputs_sums = ops.concatenate(
            [of_sums[..., : 2 * units], totals * to_candidate], axis=-1
        )
        of_recurrent = ops.matmul(
            ops.transpose(ops.reshape(before, (-1, units))),
            ops.reshape(of_sums, (-1, 3 * units)),
        )
        return of_inputs_sums, of_recurrent, ops.sum(of_sums, axis=(0, 1))

    return states, gradient


def _gates(of_input: Any, state: Any, recurrent: Any, bias: Any) -> tuple[Any, Any, Any, Any]:
    """Update and reset gates, candidate, and the state's share of the candidate's sum."""
    units = recurrent.shape[0]
    of_state = ops.matmul(state, recurrent) + bias
    gates = ops.sigmoid(of_input[..., : 2 * units] + of_state[..., : 2 * units])
    update, reset = gates[..., :units], gates[..., units:]
    of_state = of_state[..., 2 * units :]
    return update, reset, ops.tanh(of_input[..., 2 * units :] + reset * of_state), of_state


def _thrice(values: Any) -> Any:
    return ops.concatenate([values, values, values], axis=-1)


class Stepper:
    """A :class:`Backbone` in mid-sequence: one step of each sequence at a time."""

    def __init__(
        self,
        kernel: np.ndarray,
        offset: np.ndarray,
        grus: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    ):
        self._kernel, self._offset, self._grus = kernel, offset, grus
        self._states = [np.zeros_like(offset) for _ in grus]

    def step(self, inputs: np.ndarray) -> np.ndarray:
        """``(n, n_inputs)`` → ``(n, units)``; the states move on."""
        hidden = times(inputs, self._kernel) + self._offset
        for number, (kernel, recurrent, bias) in enumerate(self._grus):
            state = self._states[number]
            units = state.shape[1]
            of_input = times(hidden, kernel) + bias[0]
            of_state = times(state, recurrent) + bias[1]
            update, reset = np.split(
                _sigmoid(of_input[:, : 2 * units] + of_state[:, : 2 * units]), 2, axis=1
            )
            candidate = np.tanh(of_input[:, 2 * units :] + reset * of_state[:, 2 * units :])
            state = update * state + (1.0 - update) * candidate
            self._states[number] = state
            hidden = state if number == 0 else hidden + state
        return hidden


def times(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``rows @ matrix``, each row by itself.

    A product of all rows at once rounds differently with their number; a continuation would then
    depend, after a while audibly, on how many others are made beside it.
    """
    return np.matmul(rows[:, None, :], matrix)[:, 0]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Through tanh, which saturates without overflow.
    return 0.5 * (1.0 + np.tanh(0.5 * x))
