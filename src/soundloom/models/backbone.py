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

from soundloom.config import BackboneConfig


class Backbone(keras.layers.Layer):
    """``(batch, n_steps, n_inputs), (batch, n_told)`` → ``(batch, n_steps, units)``.

    What is told reaches every step alike. Each GRU after the first adds to what it was given.
    """

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.units = config.units
        self._enter = keras.layers.Dense(config.units)
        self._tell = keras.layers.Dense(config.units, use_bias=False)
        self._grus = [
            # Without cuDNN, which XLA cannot compile.
            keras.layers.GRU(config.units, return_sequences=True, use_cudnn=False)
            for _ in range(config.layers)
        ]
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
