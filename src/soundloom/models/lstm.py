"""``lstm``: the notebook's network, LSTM → Dense(sigmoid) on mean squared error, mended.

It predicts each frame from those before it: the Dense layer says how far each bin's logit moves
from the last frame's, so that an untrained network repeats the last frame, already a strong guess,
and every step of training improves on it. Read as maximum likelihood, squared error makes every
prediction the mean of a Gaussian of fixed covariance; that covariance is estimated from what the
trained network gets wrong on validation audio. Sampling draws from the Gaussian, its standard
deviations multiplied by the temperature: at temperature 0 it is the notebook's continuation, which
tends to the mean of all futures, a drone. Source: Hochreiter & Schmidhuber 1997; Graves 2013,
"Generating sequences with recurrent neural networks", for continuing by feeding outputs back.

In training its inputs carry a little Gaussian noise while its targets do not: it then learns to
lead its own slips back to the data instead of adding them up (arXiv 2411.18447).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from soundloom.models.base import FrameModel, save_weights
from soundloom.models.config import LstmConfig, ModelConfig
from soundloom.models.sampling import central_normal
from soundloom.pairs.windows import Batches, mean_frame

_WEIGHTS_FILE = "network.weights.h5"
_RESIDUALS_FILE = "residual_factor.npy"
# Frames drawn in one call of the sampling graph: bounds memory, and one shape is compiled once.
_CHUNK_FRAMES = 512


class Lstm(FrameModel):
    """LSTM layers on standardised frames, then a sigmoid for each bin, around the last frame."""

    def __init__(self, config: LstmConfig, n_bins: int):
        self.n_bins = n_bins
        with_noise = keras.layers.GaussianNoise(config.input_noise)
        self._standardise = _Standardise()
        self._lstms = [
            keras.layers.LSTM(config.units, return_sequences=True, return_state=True)
            for _ in range(config.layers)
        ]
        self._to_bins = _SigmoidAround(n_bins)
        self._residual_factor = np.zeros((n_bins, n_bins), np.float32)

        frames = keras.Input((None, n_bins))
        heard = with_noise(frames)
        hidden, states = self._standardise(heard), []
        for lstm in self._lstms:
            hidden, *state = lstm(hidden)
            states += state
        predicted = self._to_bins(hidden, heard)
        self.network = keras.Model(frames, predicted)
        self._listen = keras.Model(frames, states)
        self._continue = self._continuation_graph()

    @classmethod
    def build(cls, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        return cls(config.lstm, n_bins)

    def prepare(self, train: Batches) -> None:
        """Set the standardisation of the inputs to the mean and variance of training frames."""
        mean = mean_frame(train)
        variance = np.mean(
            [((windows - mean) ** 2).mean(axis=(0, 1)) for windows in train.epoch(0)], axis=0
        )
        self._standardise.set_weights([mean, 1.0 / np.sqrt(variance + 1e-6)])

    def example(
        self, windows: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[Any, Any]:
        return windows[:, :-1], windows[:, 1:]

    def loss(self) -> Any:
        return "mean_squared_error"

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Squared error of always predicting the training mean, and of repeating the last frame."""
        mean, errors, count = mean_frame(train), np.zeros(2), 0
        for windows in validation.epoch(0):
            context, following = self.example(windows)
            errors += [((following - guess) ** 2).sum() for guess in (mean, context)]
            count += following.size
        return {"training_mean": errors[0] / count, "last_frame": errors[1] / count}

    def finish(self, validation: Batches) -> None:
        """Estimate the covariance of the prediction's error, as a lower triangular factor."""
        covariance, count = np.zeros((self.n_bins, self.n_bins)), 0
        for windows in validation.epoch(0):
            context, following = self.example(windows)
            errors = following - self.network.predict_on_batch(context)
            errors = errors.reshape(-1, self.n_bins).astype(np.float64)
            covariance += errors.T @ errors
            count += len(errors)
        # The ridge keeps the factor defined for bins that never vary.
        covariance = covariance / count + 1e-8 * np.eye(self.n_bins)
        self._residual_factor = np.linalg.cholesky(covariance).astype(np.float32)

    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        top_p: float = 1.0,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        frame, states = prompts[:, -1], self._states_after(prompts[:, :-1])
        chunks = []
        for _ in range(0, n_frames, _CHUNK_FRAMES):
            chances = np.stack([rng.random((_CHUNK_FRAMES, self.n_bins)) for rng in rngs])
            noise = central_normal(chances, top_p)
            noise = (temperature * noise.astype(np.float32)) @ self._residual_factor.T
            frames, frame, *states = self._continue.predict_on_batch([noise, frame, *states])
            chunks.append(frames)
        return np.concatenate(chunks, axis=1)[:, :n_frames]

    def save(self, folder: Path) -> None:
        save_weights(self.network, folder / _WEIGHTS_FILE)
        np.save(folder / _RESIDUALS_FILE, self._residual_factor, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        model = cls.build(config, n_bins, frames_per_second)
        model.network.load_weights(folder / _WEIGHTS_FILE)
        model._residual_factor = np.load(folder / _RESIDUALS_FILE, allow_pickle=False)
        return model

    def _states_after(self, frames: np.ndarray) -> list[np.ndarray]:
        """States of all layers after hearing ``frames`` (n_prompts, n_frames ≥ 0, n_bins)."""
        if frames.shape[1] == 0:
            return [
                np.zeros((len(frames), lstm.units), np.float32)
                for lstm in self._lstms
                for _ in "hc"
            ]
        return self._listen.predict_on_batch(frames)

    def _continuation_graph(self) -> keras.Model:
        """``[noise, last frame, *states] → [frames, last frame, *states]``, looped in the graph.

        The loop is a Keras RNN over the noise whose state holds the last frame: one compiled call
        draws a whole chunk, on any backend.
        """
        cell = _FeedBack(self._standardise, [lstm.cell for lstm in self._lstms], self._to_bins)
        noise = keras.Input((_CHUNK_FRAMES, self.n_bins))
        start = [keras.Input((size,)) for size in cell.state_size]
        loop = keras.layers.RNN(cell, return_sequences=True, return_state=True)
        return keras.Model([noise, *start], loop(noise, initial_state=start))


class _Standardise(keras.layers.Layer):
    """``(x - mean) * scale``, both set from training frames, not trained."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.mean = self.add_weight(shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones", trainable=False)

    def call(self, frames: Any) -> Any:
        return (frames - self.mean) * self.scale


class _SigmoidAround(keras.layers.Layer):
    """``sigmoid(logit(frame) + Dense(hidden))``, the Dense layer starting at zero."""

    # Where the logit's input is clipped: beyond it a sigmoid's gradient all but vanishes.
    _EDGE = 0.01

    def __init__(self, units: int):
        super().__init__()
        self.units = units
        self._dense = keras.layers.Dense(units, kernel_initializer="zeros")

    def build(self, hidden_shape: Any, frame_shape: Any = None) -> None:
        self._dense.build(hidden_shape)

    def call(self, hidden: Any, frame: Any) -> Any:
        frame = ops.clip(frame, self._EDGE, 1.0 - self._EDGE)
        return ops.sigmoid(ops.log(frame) - ops.log1p(-frame) + self._dense(hidden))


class _FeedBack(keras.layers.Layer):
    """One step of continuation: the last frame in, the next frame out and kept as state."""

    def __init__(self, standardise: Any, cells: Sequence[Any], to_bins: Any):
        super().__init__()
        self._standardise, self._cells, self._to_bins = standardise, list(cells), to_bins
        self.state_size = [to_bins.units] + [cell.units for cell in cells for _ in "hc"]
        self.output_size = to_bins.units
        self.built = True

    def call(self, noise: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        hidden, next_states = self._standardise(states[0]), []
        for number, cell in enumerate(self._cells):
            hidden, state = cell(hidden, states[1 + 2 * number : 3 + 2 * number])
            next_states += state
        frame = ops.clip(self._to_bins(hidden, states[0]) + noise, 0.0, 1.0)
        return frame, [frame, *next_states]
