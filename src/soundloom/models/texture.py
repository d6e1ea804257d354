"""The texture of the frames that latents leave out, drawn.

A step's principal components say what is loud and where; which of the bins beside a harmonic, or
within a cymbal, holds how much of it, they leave open. The mean of all that it may be sounds dull.
So it is drawn: a small network has learnt to carry noise, in a few steps, to what recordings have
there, given the latents up to each step (flow matching, Lipman et al. 2023, along straight lines,
Liu et al. 2023). It is a stack of causal convolutions (ConvNeXt, Liu et al. 2022): the texture of a
step does not wait for the steps after it.

Trained with Keras, applied in NumPy: the two stand side by side, and a test holds them equal.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
from keras import ops
from scipy.special import expit
from threadpoolctl import threadpool_limits
from tqdm.keras import TqdmCallback

from soundloom.models.config import Shapes, TextureConfig
from soundloom.models.latents import Latents

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

# Steps that a layer sees: the one at hand and those before it.
_KERNEL_STEPS = 5
_WIDENING = 3
_N_TIMES = 8
_EPSILON = 1e-6
# Steps from noise to texture; 20 are no better.
_N_EVALUATIONS = 8
_BATCH_SEQUENCES, _SEQUENCE_STEPS = 16, 128
_LEARNING_RATE = 1e-3
# Std of the noise that texture is drawn from. Rock that nothing was learned from, through the
# latents and back: FAD 9.0 at 1.0, 7.2 at 0.8, 8.6 at 0.0; 9.5 without texture.
_TEMPERATURE = 0.8
# Steps computed at a time: always the same number, or products would round differently.
_CHUNK_STEPS = 256


def texture_network(n_latents: int, n_values: int, config: TextureConfig) -> keras.Model:
    """Noisy texture, latents and time → the direction from noise to texture.

    ``(batch, n_steps, n_values), (batch, n_steps, n_latents), (batch, 2 * _N_TIMES)`` →
    ``(batch, n_steps, n_values)``; times as :func:`time_features` gives them.
    """
    inputs = [
        keras.Input((None, n_values)),
        keras.Input((None, n_latents)),
        keras.Input((2 * _N_TIMES,)),
    ]
    return keras.Model(inputs, _Direction(n_latents, n_values, config)(*inputs))


class _Direction(keras.layers.Layer):
    def __init__(self, n_latents: int, n_values: int, config: TextureConfig):
        super().__init__()
        self._shapes = _shapes(n_latents, n_values, config)

    def build(self, *_: Any) -> None:
        for name, shape in self._shapes.items():
            plain = len(shape) == 1 or name == "last"
            start = "ones" if name.endswith("norm") else "zeros" if plain else "glorot_uniform"
            self.add_weight(shape=shape, initializer=start, name=name)

    def call(self, noisy: Any, latents: Any, times: Any) -> Any:
        weights = _Weights.of(list(self.weights))
        time = ops.silu(ops.matmul(times, weights.time) + weights.time_bias)
        inputs = ops.concatenate([noisy, latents], axis=-1)
        hidden = ops.matmul(inputs, weights.first) + weights.first_bias
        n_steps = ops.shape(hidden)[1]
        for block in weights.blocks:
            # (batch, n_steps, units)
            padded = ops.pad(hidden, [(0, 0), (_KERNEL_STEPS - 1, 0), (0, 0)])
            seen = block.conv_bias + sum(
                padded[:, step : step + n_steps] * block.conv[step] for step in range(_KERNEL_STEPS)
            )
            seen = seen + (ops.matmul(time, block.time) + block.time_bias)[:, None]
            seen = _layer_norm(seen) * block.norm + block.norm_bias
            wide = ops.silu(ops.matmul(seen, block.wide) + block.wide_bias)
            hidden = hidden + ops.matmul(wide, block.narrow) + block.narrow_bias
        outputs = _layer_norm(hidden) * weights.norm + weights.norm_bias
        return ops.matmul(outputs, weights.last) + weights.last_bias


def _layer_norm(values: Any) -> Any:
    centred = values - ops.mean(values, axis=-1, keepdims=True)
    variances = ops.mean(centred * centred, axis=-1, keepdims=True)
    return centred * ops.rsqrt(variances + _EPSILON)


def time_features(times: Any) -> Any:
    """Of times ``(batch,)`` from 0, noise, to 1, texture: ``(batch, 2 * _N_TIMES)``."""
    turns = np.pi * np.arange(1, _N_TIMES + 1, dtype=np.float32) * times[:, None]
    return ops.concatenate([ops.cos(turns), ops.sin(turns)], axis=-1)


class _Block(NamedTuple):
    conv: Any
    conv_bias: Any
    time: Any
    time_bias: Any
    norm: Any
    norm_bias: Any
    wide: Any
    wide_bias: Any
    narrow: Any
    narrow_bias: Any


class _Weights(NamedTuple):
    """The network's weights by name, in the order in which they are kept."""

    time: Any
    time_bias: Any
    first: Any
    first_bias: Any
    norm: Any
    norm_bias: Any
    last: Any
    last_bias: Any
    blocks: list[_Block]

    @classmethod
    def of(cls, weights: list[Any]) -> _Weights:
        n_own, n_each = len(cls._fields) - 1, len(_Block._fields)
        firsts = range(n_own, len(weights), n_each)
        blocks = [_Block(*weights[first : first + n_each]) for first in firsts]
        return cls(**dict(zip(cls._fields, weights[:n_own], strict=False)), blocks=blocks)


def _shapes(n_latents: int, n_values: int, config: TextureConfig) -> Shapes:
    """Of the network's weights, by names, in the order of :class:`_Weights`."""
    units, wide = config.units, _WIDENING * config.units
    of_block = _Block(
        conv=(_KERNEL_STEPS, units),
        conv_bias=(units,),
        time=(units, units),
        time_bias=(units,),
        norm=(units,),
        norm_bias=(units,),
        wide=(units, wide),
        wide_bias=(wide,),
        narrow=(wide, units),
        narrow_bias=(units,),
    )._asdict()
    own = {
        "time": (2 * _N_TIMES, units),
        "time_bias": (units,),
        "first": (n_values + n_latents, units),
        "first_bias": (units,),
        "norm": (units,),
        "norm_bias": (units,),
        "last": (units, n_values),
        "last_bias": (n_values,),
    }
    numbered = range(config.layers)
    return own | {f"{n}_{name}": shape for n in numbered for name, shape in of_block.items()}


class Texture:
    """Latents of std 1 ``(…, n_steps, n_latents)`` → ``(…, n_frames, n_bins)`` to add to frames."""

    def __init__(self, weights: list[np.ndarray], scales: np.ndarray, stack_frames: int):
        self._weights = weights
        """Of :func:`texture_network`."""
        self._scales = scales
        """``(n_values,)``: std of each value of the texture in training."""
        self._stack_frames = stack_frames
        self._parts = _Weights.of(weights)

    @classmethod
    def fit(cls, train: Batches, latents: Latents, config: TextureConfig) -> Self:
        """Learn what ``latents`` leave out of training windows.

        With Adam (Kingma & Ba 2015) and a cosine schedule, in ``config.epochs`` passes over all
        windows; weights start from Keras's global seed.
        """
        scales = texture_scales(train, latents)
        network = texture_network(latents.n_latents, len(scales), config)
        n_batches = max(sum(len(x) for x in train.epoch(0)) // _BATCH_SEQUENCES, 1)
        schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, config.epochs * n_batches)
        network.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0), loss="mse")
        network.optimizer.build(network.trainable_variables)  # so that it is traced once
        network.fit(
            _examples(train, latents, scales),
            steps_per_epoch=n_batches,
            epochs=config.epochs,
            callbacks=[TqdmCallback(verbose=0, desc="texture")],
            shuffle=False,  # shuffled already
            verbose=0,
        )
        return cls(network.get_weights(), scales, latents.stack_frames)

    def __call__(
        self,
        latents: np.ndarray,
        rngs: Sequence[np.random.Generator],
        temperature: float = _TEMPERATURE,
    ) -> np.ndarray:
        """``(batch, n_steps, n_latents)``, a generator each; ``temperature`` scales the noise."""
        drawn = [
            self._of_one(sequence, rng, temperature)
            for sequence, rng in zip(latents, rngs, strict=True)
        ]
        n_frames = latents.shape[1] * self._stack_frames
        return np.reshape(drawn, (len(latents), n_frames, -1))

    def mean(self, latents: np.ndarray) -> np.ndarray:
        """What no noise is carried to: about the mean of all the texture that may be."""
        return self(latents, [np.random.default_rng(0)] * len(latents), temperature=0.0)

    def _of_one(
        self, latents: np.ndarray, rng: np.random.Generator, temperature: float
    ) -> np.ndarray:
        n_steps, n_values = len(latents), len(self._scales)
        texture = np.float32(temperature) * rng.standard_normal((n_steps, n_values), np.float32)
        from_latents = (
            latents.astype(np.float32) @ self._parts.first[n_values:] + self._parts.first_bias
        )
        starts = range(0, n_steps, _CHUNK_STEPS)
        # A thread computes whole chunks, so that any number of cores makes the same sums.
        with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
            for evaluation in range(_N_EVALUATIONS):
                time = np.full(1, evaluation / _N_EVALUATIONS, np.float32)
                of_time = self._of_time(time)
                of_chunk = functools.partial(self._direction, texture, from_latents, of_time)
                towards = pool.map(of_chunk, starts)
                texture = texture + np.concatenate(list(towards)) / np.float32(_N_EVALUATIONS)
        return texture * self._scales

    def direction(self, noisy: np.ndarray, latents: np.ndarray, time: float) -> np.ndarray:
        """What :func:`texture_network` returns of one sequence, ``(n_steps, n_values)``."""
        from_latents = latents @ self._parts.first[noisy.shape[1] :] + self._parts.first_bias
        of_time = self._of_time(np.full(1, time, np.float32))
        starts = range(0, len(noisy), _CHUNK_STEPS)
        return np.concatenate(
            [self._direction(noisy, from_latents, of_time, start) for start in starts]
        )

    def _of_time(self, time: np.ndarray) -> list[np.ndarray]:
        """What each block adds at this time, ``(units,)``."""
        features = ops.convert_to_numpy(time_features(time))
        hidden = _silu(features @ self._parts.time + self._parts.time_bias)[0]
        return [hidden @ block.time + block.time_bias for block in self._parts.blocks]

    def _direction(
        self,
        noisy: np.ndarray,
        from_latents: np.ndarray,
        of_time: Sequence[np.ndarray],
        start: int,
    ) -> np.ndarray:
        """Of the steps of the chunk that begins at ``start``."""
        before = (_KERNEL_STEPS - 1) * len(self._parts.blocks)
        first, end = start - before, min(start + _CHUNK_STEPS, len(noisy))
        rows = slice(max(first, 0), end)
        hidden = np.zeros((before + _CHUNK_STEPS, self._parts.first.shape[1]), np.float32)
        filled = slice(rows.start - first, end - first)
        values = np.zeros((len(hidden), noisy.shape[1]), np.float32)
        values[filled] = noisy[rows]
        hidden = values @ self._parts.first[: noisy.shape[1]]
        hidden[filled] += from_latents[rows]
        for block, added in zip(self._parts.blocks, of_time, strict=True):
            hidden[: filled.start] = 0.0  # nothing is before the beginning
            seen = _normalised(_causal(hidden, block.conv) + (block.conv_bias + added))
            wide = _silu((seen * block.norm + block.norm_bias) @ block.wide + block.wide_bias)
            hidden += wide @ block.narrow
            hidden += block.narrow_bias
        outputs = _normalised(hidden) * self._parts.norm + self._parts.norm_bias
        return (outputs @ self._parts.last + self._parts.last_bias)[before : end - first]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        weights = {f"texture_{number}": weight for number, weight in enumerate(self._weights)}
        return {**weights, "texture_scales": self._scales}

    @staticmethod
    def shapes(n_latents: int, n_values: int, config: TextureConfig) -> Shapes:
        """Shapes of :meth:`arrays`."""
        shapes = _shapes(n_latents, n_values, config).values()
        named = {f"texture_{number}": shape for number, shape in enumerate(shapes)}
        return {**named, "texture_scales": (n_values,)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], stack_frames: int) -> Self:
        """Rebuild from :meth:`arrays`; ``KeyError`` where there are none."""
        names = (f"texture_{number}" for number in itertools.count())
        weights = [arrays[name] for name in itertools.takewhile(arrays.__contains__, names)]
        return cls(weights, arrays["texture_scales"], stack_frames)


def texture_of(windows: np.ndarray, latents: Latents) -> tuple[np.ndarray, np.ndarray]:
    """Standardised latents of windows, and what they leave out: ``(batch, n_steps, …)`` each."""
    encoded = latents.encode(windows)
    decoded = latents.decode(encoded)
    missing = windows[:, : decoded.shape[1]] - decoded
    return encoded / latents.stds, missing.reshape(*encoded.shape[:2], -1)


def texture_scales(train: Batches, latents: Latents) -> np.ndarray:
    """``(n_values,)`` float32: the std of each value of the texture over training windows."""
    count, squares = 0, np.zeros(())
    for windows in train.epoch(0):
        missing = texture_of(windows, latents)[1]
        count += missing.shape[0] * missing.shape[1]
        squares = squares + np.square(missing, dtype=np.float64).sum(axis=(0, 1))
    return np.maximum(np.sqrt(squares / count), 1e-4).astype(np.float32)


def _examples(
    train: Batches, latents: Latents, scales: np.ndarray
) -> Iterator[tuple[tuple[Any, Any, Any], Any]]:
    """Batches of crops without end, each pass over the windows in another order."""
    crops: list[tuple[np.ndarray, np.ndarray]] = []
    for epoch in itertools.count():
        rng = np.random.default_rng(epoch)
        for windows in train.epoch(epoch):
            for sequence, missing in zip(*texture_of(windows, latents), strict=True):
                start = rng.integers(max(len(sequence) - _SEQUENCE_STEPS, 0) + 1)
                steps = slice(start, start + _SEQUENCE_STEPS)
                crops.append((sequence[steps], missing[steps] / scales))
                if len(crops) == _BATCH_SEQUENCES:
                    stacked, texture = (np.stack(each) for each in zip(*crops, strict=True))
                    yield _noisy(stacked, texture, rng)
                    crops = []


def _noisy(
    latents: np.ndarray, texture: np.ndarray, rng: np.random.Generator
) -> tuple[tuple[Any, Any, Any], Any]:
    noise = rng.standard_normal(texture.shape, np.float32)
    # Middle times, where most is decided, more often (Esser et al. 2024).
    times = expit(rng.standard_normal(len(texture))).astype(np.float32)
    share = times[:, None, None]
    features = ops.convert_to_numpy(time_features(times))
    inputs = ((1.0 - share) * noise + share * texture, latents, features)
    return inputs, texture - noise


def _causal(hidden: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Each unit with those before it: ``(n_steps, units), (k, units)`` → ``(n_steps, units)``."""
    sums = hidden * kernel[-1]
    for back in range(1, len(kernel)):
        sums[back:] += hidden[:-back] * kernel[-1 - back]
    return sums


def _normalised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    variances = np.square(centred).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variances + np.float32(_EPSILON))


def _silu(values: np.ndarray) -> np.ndarray:
    return values * expit(values)
