"""The detail that latents leave out of the frames, as far as it can be predicted from them.

A step's few principal components are a linear view of it: a harmonic between two bins, or the edge
of an onset, needs many of them at once. What they leave out is not noise, though: a small network
whose inputs are a step's latents and those around it predicts some of it, as the mean of what it
may be (least squares), so that nothing is made up.

Such a mean varies less than what it is the mean of, and sounds dull for it. It is magnified, as
the over-smoothed spectra of speech synthesis are (Toda & Tokuda 2007, global variance).

Trained with Keras, applied in NumPy: the two stand side by side, and a test holds them equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits
from tqdm.keras import TqdmCallback

from soundloom.models.config import LatentsConfig, Shapes
from soundloom.models.latents import Latents

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

CONTEXT_STEPS = 2
"""Steps on either side of the one whose detail is predicted."""

_BATCH_STEPS = 128
_DROPOUT = 0.1
_LEARNING_RATE = 1e-3
# What is predicted is magnified so: real audio through latents and detail is nearest to itself at
# 1.4 to 1.5 (1.0, 1.8 and none are further), generated audio too.
_GAIN = 1.5


class Detail:
    """Latents of std 1 ``(…, n_steps, n_latents)`` → ``(…, n_frames, n_bins)`` to add to frames."""

    def __init__(self, weights: list[np.ndarray], scale: float, stack_frames: int):
        self._weights = weights
        """Kernel and bias of each layer, from the first to the last."""
        self._scale = scale
        """Scale on the network's outputs."""
        self._stack_frames = stack_frames

    @classmethod
    def fit(cls, train: Batches, latents: Latents, units: int, epochs: int) -> Self:
        """Two layers of ``units``, fitted to what ``latents`` leave out of training windows.

        With Adam (Kingma & Ba 2015) and a cosine schedule, in ``epochs`` passes over all steps;
        weights start from Keras's global seed.
        """
        count, squares = 0, 0.0
        for windows in train.epoch(0):
            _, missing = _inputs_and_missing(windows, latents)
            count += missing.shape[0] * missing.shape[1]
            squares += float(np.square(missing, dtype=np.float64).sum())
        n_values = latents.stack_frames * latents.n_bins
        scale = max(np.sqrt(squares / (count * n_values)), 1e-6)
        n_batches = max(count // _BATCH_STEPS, 1)
        network = keras.Sequential(
            [
                keras.Input(((2 * CONTEXT_STEPS + 1) * latents.n_latents,)),
                keras.layers.Dense(units, activation="silu"),
                keras.layers.Dropout(_DROPOUT),
                keras.layers.Dense(units, activation="silu"),
                keras.layers.Dropout(_DROPOUT),
                keras.layers.Dense(n_values, kernel_initializer="zeros"),
            ]
        )
        schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * n_batches)
        network.compile(keras.optimizers.Adam(schedule), loss="mse")
        network.optimizer.build(network.trainable_variables)  # so that it is traced once
        network.fit(
            _examples(train, latents, scale),
            steps_per_epoch=n_batches,
            epochs=epochs,
            callbacks=[TqdmCallback(verbose=0, desc="detail")],
            shuffle=False,  # shuffled already
            verbose=0,
        )
        return cls(network.get_weights(), _GAIN * scale, latents.stack_frames)

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):  # the same sums on any number of cores
            # One sequence at a time: a larger product would round differently.
            sequences = latents.reshape(-1, *latents.shape[-2:])
            predicted = [self._of_one(sequence) for sequence in sequences]
        n_frames = latents.shape[-2] * self._stack_frames
        return np.reshape(predicted, (*latents.shape[:-2], n_frames, -1))

    def _of_one(self, latents: np.ndarray) -> np.ndarray:
        values = _with_neighbours(latents)
        *inner, last = zip(self._weights[::2], self._weights[1::2], strict=True)
        for kernel, bias in inner:
            sums = values @ kernel + bias
            values = sums * expit(sums)
        kernel, bias = last
        return (values @ kernel + bias) * np.float32(self._scale)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        weights = {f"detail_{number}": weight for number, weight in enumerate(self._weights)}
        return {**weights, "detail_scale": np.array(self._scale)}

    @staticmethod
    def shapes(config: LatentsConfig, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        n_inputs = (2 * CONTEXT_STEPS + 1) * config.n_latents
        widths = (n_inputs, config.detail_units, config.detail_units, config.stack_frames * n_bins)
        weights = [shape for pair in itertools.pairwise(widths) for shape in (pair, pair[1:])]
        named = {f"detail_{number}": shape for number, shape in enumerate(weights)}
        return {**named, "detail_scale": ()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], stack_frames: int) -> Self:
        """Rebuild from :meth:`arrays`; ``KeyError`` where there are none."""
        names = (f"detail_{number}" for number in itertools.count())
        weights = [arrays[name] for name in itertools.takewhile(arrays.__contains__, names)]
        return cls(weights, float(arrays["detail_scale"]), stack_frames)


def _examples(train: Batches, latents: Latents, scale: float) -> Iterator[tuple[Any, Any]]:
    """Batches of steps without end, each pass over the windows in another order."""
    # What did not fill a batch waits for the next windows.
    inputs = np.zeros((0, (2 * CONTEXT_STEPS + 1) * latents.n_latents), np.float32)
    missing = np.zeros((0, latents.stack_frames * latents.n_bins), np.float32)
    for epoch in itertools.count():
        rng = np.random.default_rng(epoch)
        for windows in train.epoch(epoch):
            more_inputs, more_missing = (
                values.reshape(-1, values.shape[-1])
                for values in _inputs_and_missing(windows, latents)
            )
            order = rng.permutation(len(more_inputs))
            inputs = np.concatenate([inputs, more_inputs[order]])
            missing = np.concatenate([missing, more_missing[order] / np.float32(scale)])
            whole = len(inputs) // _BATCH_STEPS * _BATCH_STEPS
            for start in range(0, whole, _BATCH_STEPS):
                batch = slice(start, start + _BATCH_STEPS)
                yield inputs[batch], missing[batch]
            inputs, missing = inputs[whole:], missing[whole:]


def _inputs_and_missing(windows: np.ndarray, latents: Latents) -> tuple[np.ndarray, np.ndarray]:
    """Each step's latents with its neighbours', and what they leave out of its frames."""
    encoded = latents.encode(windows)
    decoded = latents.decode(encoded)
    missing = windows[:, : decoded.shape[1]] - decoded
    return (
        _with_neighbours(encoded / latents.stds),
        missing.reshape(*encoded.shape[:2], -1),
    )


def _with_neighbours(latents: np.ndarray) -> np.ndarray:
    """``(…, n_steps, n)`` → ``(…, n_steps, (2 * context + 1) * n)``, the ends repeated."""
    around = [(0, 0)] * (latents.ndim - 2) + [(CONTEXT_STEPS, CONTEXT_STEPS), (0, 0)]
    padded, n_steps = np.pad(latents, around, mode="edge"), latents.shape[-2]
    shifts = range(2 * CONTEXT_STEPS + 1)
    return np.concatenate([padded[..., s : s + n_steps, :] for s in shifts], axis=-1)
