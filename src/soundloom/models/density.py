"""``density``: the next step as a distribution over continuous latents, one latent after another.

A recurrent backbone hears the latents so far. A masked network then gives each latent of the next
step a mixture of Gaussians that depends on the backbone and on the latents of that step already
drawn: p(z) = Π_d p(z_d | z_<d, past). Trained on the exact negative log-likelihood, it has no need
to predict a mean of all futures, nor to quantise. Sources: Bishop 1994 for mixture densities; Uria,
Murray & Larochelle 2013 (RNADE) for a density dimension by dimension; Germain et al. 2015 (MADE)
for training all dimensions at once behind masks.

In training the backbone may hear latents with noise of a level drawn for each window: it learns to
trust what it hears only so far, as it must of what it drew itself (arXiv 2411.18447).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops
from scipy.special import expit
from threadpoolctl import threadpool_limits

from soundloom.common.io import read_arrays, write_arrays
from soundloom.models.backbone import times
from soundloom.models.base import save_weights
from soundloom.models.config import DensityConfig, ModelConfig
from soundloom.models.sampling import central_normal, gumbel
from soundloom.models.sequence import SequenceModel, at
from soundloom.pairs.windows import Batches

_WEIGHTS_FILE = "network.weights.h5"
_LATENTS_FILE = "latents.npz"
# More than any latent's deviation can be, and finite.
_LARGEST_LOG_SCALE = 10.0
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class Density(SequenceModel):
    """GRUs on standardised latents, then a mixture of Gaussians for each latent in turn."""

    def __init__(self, config: ModelConfig, n_bins: int, frames_per_second: float):
        super().__init__(config, n_bins, frames_per_second)
        n_latents = config.latents.n_latents
        self._extremes = np.zeros((2, n_latents))
        self._head = MixtureHead(n_latents, config.density)

        heard = keras.Input((None, n_latents))
        at_steps, constant = self._inputs_of_told()
        following = keras.Input((None, n_latents))
        mixtures = self._head(self._hidden(heard, at_steps, constant), heard, following)
        self.network = keras.Model([heard, at_steps, constant, following], mixtures)

    def prepare(self, train: Batches) -> None:
        """Fit the latents, note how far each goes, and start at predicting from the last step."""
        self._fit_latents(train)
        found = [self._relative(windows) for windows in train.epoch(0)]
        lowest = np.min([latents.min(axis=(0, 1)) for latents in found], axis=0)
        highest = np.max([latents.max(axis=(0, 1)) for latents in found], axis=0)
        self._extremes = np.array([lowest, highest])
        products = sum((some[:, 1:] * some[:, :-1]).sum(axis=(0, 1)) for some in found)
        squares = sum((some[:, :-1] ** 2).sum(axis=(0, 1)) for some in found)
        self._head.start_at(products / np.maximum(squares, 1e-6), self._emphasis())

    def example(
        self, windows: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[Any, Any]:
        latents, told, _ = self._seen(windows, rng=rng)
        steps = self._trained_steps(latents, rng)
        told_at_steps = self._told_at(self._weighted(latents), told, steps)
        heard, following = at(latents, steps), at(latents, steps + 1)
        if rng is not None and self._config.density.input_noise > 0.0:
            levels = self._config.density.input_noise * rng.random((len(heard), 1, 1), np.float32)
            heard = heard + levels * rng.standard_normal(heard.shape, np.float32)
        heard = heard * self._emphasis()
        return (heard, told_at_steps, told.constant, following), following

    def loss(self) -> Any:
        emphasis = self._emphasis()
        return lambda latents, mixtures: negative_log_likelihood(latents, mixtures, emphasis)

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """A Gaussian for each latent: the same at every step, and one around the last step."""
        moves, count = np.zeros(()), 0
        for windows in train.epoch(0):
            changes = np.diff(self._relative(windows).astype(np.float64), axis=1)
            moves = moves + (changes**2).sum(axis=(0, 1))
            count += changes.shape[0] * changes.shape[1]
        deviations = np.sqrt(moves / count) + 1e-6
        emphasis, losses, seen = self._emphasis(), np.zeros(2), 0
        for windows in validation.epoch(0):
            latents = self._relative(windows).astype(np.float64)
            apart = (latents[:, 1:], np.diff(latents, axis=1) / deviations)
            losses += [(emphasis * 0.5 * distance**2).sum() for distance in apart]
            seen += apart[0].size
        losses = losses / seen + _HALF_LOG_2PI + [0.0, (emphasis * np.log(deviations)).mean()]
        return {"marginal_gaussian": float(losses[0]), "last_step_gaussian": float(losses[1])}

    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        top_p: float = 1.0,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        latents, emphasis = self._latents, self._emphasis()
        n_steps = self._steps_to_draw(n_frames)
        with threadpool_limits(1):
            heard, told, level = self._seen(latents.whole_steps(prompts), n_steps)
            head = self._head.sampler()

            n_chances = (latents.n_latents, 1 + self._config.density.components)

            def draw(hidden: np.ndarray, last: np.ndarray) -> np.ndarray:
                chances = np.stack([rng.random(n_chances) for rng in rngs])
                return head.draw(hidden, last, chances, temperature, top_p, self._extremes)

            drawn = self._go_on(heard, told, lambda step: step, lambda step: step * emphasis, draw)
            return self._frames(drawn, level)[:, :n_frames]

    def save(self, folder: Path) -> None:
        save_weights(self.network, folder / _WEIGHTS_FILE)
        arrays = self._arrays_of_latents()
        write_arrays(folder / _LATENTS_FILE, {"extremes": self._extremes, **arrays})

    @classmethod
    def load(cls, folder: Path, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        model = cls(config, n_bins, frames_per_second)
        model.network.load_weights(folder / _WEIGHTS_FILE)
        arrays = read_arrays(folder / _LATENTS_FILE)
        model._restore_latents(arrays)
        model._extremes = arrays["extremes"]
        return model

    def _emphasis(self) -> np.ndarray:
        """How much each latent counts, ``(n_latents,)`` of mean 1: more where it varies more."""
        weights = self._latents.deviations**self._config.density.emphasis
        return (weights / weights.mean()).astype(np.float32)


class MixtureHead(keras.layers.Layer):
    """Hidden states, last latents and latents → mixtures ``(batch, n_steps, n, 3, components)``.

    For each latent the logits, means and log deviations of its mixture. Those of latent ``d``
    depend on the backbone and on latents ``< d``: hidden unit ``j`` sees the latents before its
    degree, and latent ``d`` sees the units of degree at most ``d`` (Germain et al. 2015). The
    backbone reaches every unit and, past the units, every mixture. Means are told around a share of
    the last step's latent, which the head starts with as its whole prediction.
    """

    def __init__(self, n_latents: int, config: DensityConfig):
        super().__init__()
        self._n_latents, self._components = n_latents, config.components
        self._log_least = math.log(config.min_scale)
        self._n_units = config.hidden_units
        self._n_outputs = n_latents * 3 * config.components
        # Ascending, so that the units a latent sees come first.
        self._degrees = np.arange(config.hidden_units) * n_latents // config.hidden_units
        latents = np.arange(n_latents)
        self._sees_latent = (latents[:, None] < self._degrees).astype(np.float32)
        sees_unit = self._degrees[:, None] <= latents
        self._sees_unit = np.repeat(sees_unit, 3 * config.components, axis=1).astype(np.float32)
        self._dropout = keras.layers.Dropout(config.dropout)

    def build(self, hidden_shape: Any, last_shape: Any = None, latents_shape: Any = None) -> None:
        n_hidden, n_units, n_outputs = hidden_shape[-1], self._n_units, self._n_outputs
        self.of_hidden = self.add_weight(shape=(n_hidden, n_units), initializer="glorot_uniform")
        self.of_latents = self.add_weight(
            shape=(self._n_latents, n_units), initializer="glorot_uniform"
        )
        self.unit_bias = self.add_weight(shape=(n_units,), initializer="zeros")
        self.of_units = self.add_weight(
            shape=(n_units, n_outputs), initializer=keras.initializers.RandomNormal(stddev=0.01)
        )
        self.past_units = self.add_weight(shape=(n_hidden, n_outputs), initializer="zeros")
        self.output_bias = self.add_weight(shape=(n_outputs,), initializer="zeros")
        self.carried = self.add_weight(shape=(self._n_latents,), initializer="zeros")
        self.start_at(np.zeros(self._n_latents))

    def start_at(self, correlations: np.ndarray, scales: np.ndarray | float = 1.0) -> None:
        """Begin near p(z_d | past) = N(ρ_d · last z_d, 1 - ρ_d²), ``correlations`` ρ (n_latents,).

        ``scales`` (n_latents,) are what the last step's latents are multiplied by when heard.
        The components start apart, or they would stay one.
        """
        deviations = np.sqrt(np.maximum(1.0 - correlations**2, 0.01))[:, None]
        apart = np.linspace(-1.0, 1.0, self._components) if self._components > 1 else np.zeros(1)
        start = np.zeros((self._n_latents, 3, self._components), np.float32)
        start[:, 1] = deviations * apart
        start[:, 2] = np.log(deviations)
        self.output_bias.assign(start.reshape(-1))
        self.carried.assign((correlations / scales).astype(np.float32))

    def call(self, hidden: Any, last: Any, latents: Any, training: bool | None = None) -> Any:
        units = ops.matmul(hidden, self.of_hidden) + self.unit_bias
        units = ops.silu(units + ops.matmul(latents, self.of_latents * self._sees_latent))
        units = self._dropout(units, training=training)
        outputs = ops.matmul(units, self.of_units * self._sees_unit) + self.output_bias
        outputs = outputs + ops.matmul(hidden, self.past_units)
        shape = (*ops.shape(outputs)[:-1], self._n_latents, 3, self._components)
        logits, means, scales = ops.unstack(ops.reshape(outputs, shape), axis=-2)
        means = means + (self.carried * last)[..., None]
        return ops.stack([logits, means, _floored(scales, self._log_least)], axis=-2)

    def sampler(self) -> MixtureSampler:
        """The same head in NumPy, one latent at a time."""
        return MixtureSampler(
            *(
                ops.convert_to_numpy(weight)
                for weight in (self.of_hidden, self.of_latents, self.unit_bias, self.of_units)
            ),
            past_units=ops.convert_to_numpy(self.past_units),
            output_bias=ops.convert_to_numpy(self.output_bias),
            carried=ops.convert_to_numpy(self.carried),
            degrees=self._degrees,
            log_least=self._log_least,
        )


class MixtureSampler:
    """Draws a step's latents one after another, computing for each only what it newly needs."""

    def __init__(
        self,
        of_hidden: np.ndarray,
        of_latents: np.ndarray,
        unit_bias: np.ndarray,
        of_units: np.ndarray,
        *,
        past_units: np.ndarray,
        output_bias: np.ndarray,
        carried: np.ndarray,
        degrees: np.ndarray,
        log_least: float,
    ):
        self._of_hidden, self._unit_bias = of_hidden, unit_bias
        self._past_units, self._output_bias = past_units, output_bias
        self._carried, self.least_scale = carried, math.exp(log_least)
        self.n_latents = len(of_latents)
        self._ends = np.searchsorted(degrees, np.arange(self.n_latents), side="right").tolist()
        begins = [0, *self._ends[:-1]]
        width = of_units.shape[1] // self.n_latents
        self._new_units = [
            np.ascontiguousarray(of_latents[:latent, begin:end])
            for latent, (begin, end) in enumerate(zip(begins, self._ends, strict=True))
        ]
        self._to_mixture = [
            np.ascontiguousarray(of_units[:end, latent * width : (latent + 1) * width])
            for latent, end in enumerate(self._ends)
        ]

    def draw(
        self,
        hidden: np.ndarray,
        last: np.ndarray,
        chances: np.ndarray,
        temperature: float,
        top_p: float,
        extremes: np.ndarray,
    ) -> np.ndarray:
        """The step after ``last`` (n, n_latents), given ``hidden`` (n, n_hidden).

        ``chances`` (n, n_latents, 1 + components) in [0, 1) → (n, n_latents) float32.
        ``temperature`` divides the logits and scales the deviations; at 0 each latent is the mean
        of its heaviest component. No latent leaves ``extremes`` (2, n_latents), lowest and highest:
        beyond what training ever held, the network has nothing to go by, and one latent out of all
        bounds would take those after it along.
        """
        latents = np.zeros((len(hidden), self.n_latents), np.float32)
        places = (temperature * central_normal(chances[..., 0], top_p)).astype(np.float32)
        heights = (temperature * gumbel(chances[..., 1:])).astype(np.float32)
        lowest, highest = extremes.astype(np.float32)
        for latent, mixture in self.mixtures(hidden, last, latents):
            drawn = draw_from_mixture(
                mixture, heights[:, latent], places[:, latent], self.least_scale
            )
            latents[:, latent] = np.minimum(np.maximum(drawn, lowest[latent]), highest[latent])
        return latents

    def mixtures(
        self, hidden: np.ndarray, last: np.ndarray, latents: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each latent's number and ``(n, 3, components)`` mixture, in order.

        ``latents`` (n, n_latents) is read as it goes: the caller fills in latent ``d`` before it
        asks for the mixture of ``d + 1``. Scales are still without ``least_scale``.
        """
        # Sixty times a step, so as few calls of NumPy as will do; rows apart, as in times().
        units = (times(hidden, self._of_hidden) + self._unit_bias)[:, None]
        outputs = times(hidden, self._past_units) + self._output_bias
        outputs = outputs.reshape(len(hidden), self.n_latents, 3, -1)
        outputs[:, :, 1] += (self._carried * last)[..., None]
        drawn, begin = latents[:, None], 0
        for latent, end in enumerate(self._ends):
            if end > begin:
                new = units[..., begin:end]
                new += np.matmul(drawn[..., :latent], self._new_units[latent])
                new *= expit(new)
            mixture = outputs[:, latent]
            mixture += np.matmul(units[..., :end], self._to_mixture[latent]).reshape(mixture.shape)
            yield latent, mixture
            begin = end


def draw_from_mixture(
    mixture: np.ndarray, heights: np.ndarray, places: np.ndarray, least_scale: float = 0.0
) -> np.ndarray:
    """One value from each mixture of Gaussians, ``(n, 3, components)`` → ``(n,)``.

    ``heights`` (n, components), Gumbel numbers times the temperature, pick the components (the
    highest sum with the logits is chosen as often as its weight says); ``places`` (n,), normal
    numbers times the temperature, the places within them, in deviations. ``least_scale`` is added
    to the deviations.
    """
    chosen = (mixture[:, 0] + heights).argmax(axis=1)
    picked = mixture[np.arange(len(mixture)), :, chosen]
    scales = np.exp(np.minimum(picked[:, 2], _LARGEST_LOG_SCALE)) + least_scale
    return picked[:, 1] + scales * places


def negative_log_likelihood(latents: Any, mixtures: Any, weights: Any = 1.0) -> Any:
    """Mean over all of -log p in nats: ``(…, n)`` under mixtures ``(…, n, 3, components)``.

    ``weights`` (n,), 1 on average, say how much each latent counts.
    """
    logits, means, log_scales = ops.unstack(mixtures, axis=-2)
    away = (latents[..., None] - means) * ops.exp(-log_scales)
    of_components = ops.log_softmax(logits) - 0.5 * away * away - log_scales - _HALF_LOG_2PI
    return -ops.mean(weights * ops.logsumexp(of_components, axis=-1))


def _floored(log_scales: Any, log_least: float) -> Any:
    """Scales as much larger as the least: a component that closes in on one value wins forever."""
    return log_least + ops.logaddexp(log_scales - log_least, 0.0)
