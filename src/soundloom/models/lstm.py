"""``lstm``: the notebook's network, LSTM → Dense(sigmoid) on mean squared error, mended.

It predicts each frame from those before it: the Dense layer says how far each bin's logit moves
from the last frame's, so that an untrained network repeats the last frame, already a strong guess,
and every step of training improves on it. Read as maximum likelihood, squared error makes every
prediction the mean of a Gaussian of fixed covariance; that covariance is estimated from the trained
network's errors on validation audio. Sampling draws from the Gaussian, its standard deviations
multiplied by the temperature: at temperature 0 it is the notebook's continuation, which tends to
the mean of all futures, a drone. Source: Hochreiter & Schmidhuber 1997; Graves 2013, "Generating
sequences with recurrent neural networks", for continuing by feeding outputs back.

In training its inputs carry a little Gaussian noise while its targets do not: it then learns to
lead its own slips back to the data instead of adding them up (arXiv 2411.18447).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
from keras import ops
from threadpoolctl import threadpool_limits

from soundloom.models.base import Example, FrameModel, Progress, weighted_mean
from soundloom.models.config import LstmConfig, ModelConfig, Shapes
from soundloom.models.rowwise import rowwise_matmul, sigmoid
from soundloom.models.sampling import central_normal

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

# Where the input of a logit is clipped: beyond it a sigmoid's gradient all but vanishes.
_EDGE = 0.01


class _Network(NamedTuple):
    standardise: Standardise
    lstms: list[keras.layers.LSTM]
    to_frame: SigmoidAround
    model: keras.Model

    @classmethod
    def build(cls, config: LstmConfig, n_bins: int) -> _Network:
        with_noise, standardise = keras.layers.GaussianNoise(config.input_noise), Standardise()
        lstms = [
            keras.layers.LSTM(config.units, return_sequences=True) for _ in range(config.layers)
        ]
        to_frame = SigmoidAround(n_bins)
        frames = keras.Input((None, n_bins))
        noisy = with_noise(frames)
        hidden = standardise(noisy)
        for lstm in lstms:
            hidden = lstm(hidden)  # (batch, n_frames, units)
        return cls(standardise, lstms, to_frame, keras.Model(frames, to_frame(hidden, noisy)))

    def sampler(self) -> LstmSampler:
        """The same network in NumPy, one frame at a time."""
        return LstmSampler(
            mean=ops.convert_to_numpy(self.standardise.mean),
            scale=ops.convert_to_numpy(self.standardise.scale),
            lstms=tuple(
                LstmWeights(*(ops.convert_to_numpy(weight) for weight in lstm.weights))
                for lstm in self.lstms
            ),
            kernel=ops.convert_to_numpy(self.to_frame.dense.kernel),
            bias=ops.convert_to_numpy(self.to_frame.dense.bias),
        )


class Lstm(FrameModel):
    """LSTM layers on standardised frames, then a sigmoid for each bin, around the last frame."""

    def __init__(self, network: _Network, residual_factor: np.ndarray):
        self.network = network.model
        self._parts = network
        self._residual_factor = residual_factor
        """``(n_bins, n_bins)``: lower triangular factor of the covariance of the residuals."""

    @classmethod
    def build(
        cls, config: ModelConfig, n_bins: int, frames_per_second: float, train: Batches
    ) -> Self:
        """Standardise inputs by the mean and variance of training frames."""
        network = _Network.build(config.lstm, n_bins)
        mean = mean_frame(train)
        variances, n_batches = np.zeros(()), 0
        for windows in train.epoch(0):
            variances = variances + ((windows - mean) ** 2).mean(axis=(0, 1))
            n_batches += 1
        variance = variances / n_batches
        network.standardise.set_weights([mean, 1.0 / np.sqrt(variance + 1e-6)])
        return cls(network, np.zeros((n_bins, n_bins), np.float32))

    def example(
        self,
        windows: np.ndarray,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Example:
        return Example(windows[:, :-1], windows[:, 1:])

    def loss(self, targets: Any, outputs: Any, weights: Any = None) -> Any:
        """Mean squared error of a bin."""
        if weights is None:
            return keras.losses.MeanSquaredError()(targets, outputs)
        return weighted_mean(ops.mean(ops.square(outputs - targets), axis=-1), weights)

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Squared error of always predicting the training mean, and of repeating the last frame."""
        mean, errors, count = mean_frame(train), np.zeros(2), 0
        for windows in validation.epoch(0):
            example = self.example(windows)
            errors += [((example.targets - guess) ** 2).sum() for guess in (mean, example.inputs)]
            count += example.targets.size
        return {"training_mean": errors[0] / count, "last_frame": errors[1] / count}

    def calibrated(self, validation: Batches) -> Self:
        """With the covariance of the prediction's residuals on validation windows."""
        n_bins = len(self._residual_factor)
        covariance, count = np.zeros((n_bins, n_bins)), 0
        for windows in validation.epoch(0):
            example = self.example(windows)
            residuals = example.targets - self.network.predict_on_batch(example.inputs)
            residuals = residuals.reshape(-1, n_bins).astype(np.float64)
            covariance += residuals.T @ residuals
            count += len(residuals)
        # The ridge keeps the factor defined for bins that never vary.
        covariance = covariance / count + 1e-8 * np.eye(n_bins)
        return type(self)(self._parts, np.linalg.cholesky(covariance).astype(np.float32))

    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        top_p: float = 1.0,
        section_seconds: float = 0.0,
        rngs: Sequence[np.random.Generator],
        progress: Progress = iter,
    ) -> np.ndarray:
        n_bins = prompts.shape[-1]
        with threadpool_limits(1):
            sampler = self.sampler()
            state = sampler.start(len(prompts))
            for number in range(prompts.shape[1]):
                predicted, state = sampler.step(prompts[:, number], state)
            drawn = []
            for _ in progress(range(n_frames)):
                uniforms = np.stack([rng.random(n_bins) for rng in rngs])
                normals = (temperature * central_normal(uniforms, top_p)).astype(np.float32)
                residuals = rowwise_matmul(normals, self._residual_factor.T)
                drawn.append(np.clip(predicted + residuals, 0.0, 1.0))
                predicted, state = sampler.step(drawn[-1], state)
            return np.stack(drawn, axis=1).astype(np.float32)

    def sampler(self) -> LstmSampler:
        """The trained network in NumPy."""
        return self._parts.sampler()

    def arrays(self) -> dict[str, np.ndarray]:
        return {"residual_factor": self._residual_factor}

    @classmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        return {"residual_factor": (n_bins, n_bins)}

    @classmethod
    def from_arrays(
        cls,
        config: ModelConfig,
        n_bins: int,
        frames_per_second: float,
        arrays: Mapping[str, np.ndarray],
    ) -> Self:
        return cls(_Network.build(config.lstm, n_bins), arrays["residual_factor"])


def mean_frame(batches: Batches) -> np.ndarray:
    """Mean of all frames of the batches, ``(n_bins,)`` float64."""
    total, count = 0.0, 0
    for windows in batches.epoch(0):
        total = total + windows.sum(axis=(0, 1), dtype=np.float64)
        count += windows.shape[0] * windows.shape[1]
    return np.asarray(total / count)


class Standardise(keras.layers.Layer):
    """``(x - mean) * scale``, both set from training frames, not trained."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.mean = self.add_weight(shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones", trainable=False)

    def call(self, frames: Any) -> Any:
        return (frames - self.mean) * self.scale


class SigmoidAround(keras.layers.Layer):
    """``sigmoid(logit(frame) + Dense(hidden))``, the Dense layer starting at zero."""

    def __init__(self, units: int):
        super().__init__()
        self.dense = keras.layers.Dense(units, kernel_initializer="zeros")

    def build(self, hidden_shape: Any, frame_shape: Any = None) -> None:
        self.dense.build(hidden_shape)

    def call(self, hidden: Any, frame: Any) -> Any:
        frame = ops.clip(frame, _EDGE, 1.0 - _EDGE)
        return ops.sigmoid(ops.log(frame) - ops.log1p(-frame) + self.dense(hidden))


class LstmWeights(NamedTuple):
    """Weights of a Keras LSTM layer: gates in the order input, forget, candidate, output."""

    kernel: np.ndarray
    """``(n_inputs, 4 * units)``."""
    recurrent_kernel: np.ndarray
    """``(units, 4 * units)``."""
    bias: np.ndarray
    """``(4 * units,)``."""


class LstmState(NamedTuple):
    """Where ``n`` sequences are in one layer: both ``(n, units)``."""

    hidden: np.ndarray
    cell: np.ndarray


class LstmSampler(NamedTuple):
    """The network in NumPy: the frame after each frame, each row by itself.

    A property test holds it equal to the Keras layers.
    """

    mean: np.ndarray
    scale: np.ndarray
    lstms: tuple[LstmWeights, ...]
    kernel: np.ndarray
    bias: np.ndarray

    def start(self, n_sequences: int) -> tuple[LstmState, ...]:
        """The state of each layer before the first frame."""
        sizes = [(n_sequences, len(weights.recurrent_kernel)) for weights in self.lstms]
        return tuple(LstmState(np.zeros(s, np.float32), np.zeros(s, np.float32)) for s in sizes)

    def step(
        self, frame: np.ndarray, state: tuple[LstmState, ...]
    ) -> tuple[np.ndarray, tuple[LstmState, ...]]:
        """``(n, n_bins)`` → the frame predicted to follow, ``(n, n_bins)``, and the state."""
        hidden, states = (frame - self.mean) * self.scale, []
        for weights, before in zip(self.lstms, state, strict=True):
            states.append(_lstm_step(hidden, before, weights))
            hidden = states[-1].hidden
        frame = np.clip(frame, _EDGE, 1.0 - _EDGE)
        logits = np.log(frame) - np.log1p(-frame)
        moved = rowwise_matmul(hidden, self.kernel) + self.bias
        return sigmoid(logits + moved), tuple(states)


def _lstm_step(inputs: np.ndarray, state: LstmState, weights: LstmWeights) -> LstmState:
    sums = rowwise_matmul(inputs, weights.kernel) + weights.bias
    sums = sums + rowwise_matmul(state.hidden, weights.recurrent_kernel)
    of_input, of_forget, of_candidate, of_output = np.split(sums, 4, axis=1)
    cell = sigmoid(of_forget) * state.cell + sigmoid(of_input) * np.tanh(of_candidate)
    return LstmState(sigmoid(of_output) * np.tanh(cell), cell)
