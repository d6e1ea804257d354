"""``density``: the next step as a distribution over continuous latents, one latent after another.

A recurrent backbone runs over the latents so far. A masked network then gives each latent of the
next step a mixture of Gaussians that depends on the backbone and on the latents of that step
already drawn: p(z) = Π_d p(z_d | z_<d, past). The later latents, which vary less, are drawn a few
at a time: they have one mixture together, whose components are Gaussians independent of each other.
Trained on the exact negative log-likelihood, it has no need to predict a mean of all futures, nor
to quantise. Sources: Bishop 1994 for mixture densities; Uria, Murray & Larochelle 2013 (RNADE) for
a density dimension by dimension; Germain et al. 2015 (MADE) for training all dimensions at once
behind masks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from soundloom.models.backbone import Backbone
from soundloom.models.base import Example, weighted_mean
from soundloom.models.conditioning.combined import Combined
from soundloom.models.config import DensityConfig, ModelConfig, Shapes
from soundloom.models.latent_space import LatentSpace
from soundloom.models.rowwise import rowwise_matmul
from soundloom.models.sampling import central_normal, gumbel
from soundloom.models.sections import Turns
from soundloom.models.sequence import BackboneInputs, SequenceModel, at, normalised

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

# Least std of a Gaussian, in stds of its latent: a component that closes in on one value would
# otherwise win for ever.
_LEAST_STD = 0.05
# More than any latent's log std can be, and finite.
_LARGEST_LOG_STD = 10.0
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class _Network(NamedTuple):
    backbone: Backbone
    head: MixtureHead
    model: keras.Model

    @classmethod
    def build(cls, config: ModelConfig) -> _Network:
        n_latents = config.latents.n_latents
        backbone, head = Backbone(config.backbone), MixtureHead(n_latents, config.density)
        steps = keras.Input((None, n_latents))
        features = BackboneInputs.for_config(config)
        following = keras.Input((None, n_latents))
        # (batch, n_steps, n_latents, 3, components)
        mixtures = head(features.hidden(backbone, steps), steps, following)
        inputs = [steps, features.at_steps, features.constant, following]
        return cls(backbone, head, keras.Model(inputs, mixtures))


class Density(SequenceModel):
    """GRUs on normalised latents, then a mixture of Gaussians for each latent in turn."""

    def __init__(
        self,
        config: ModelConfig,
        frames_per_second: float,
        network: _Network,
        space: LatentSpace,
        conditioning: Combined,
        turns: Turns | None,
        extremes: np.ndarray,
    ):
        super().__init__(config, frames_per_second, network.backbone, space, conditioning, turns)
        self.network = network.model
        self._parts = network
        self._head = network.head
        self._draws = draws_of(config.latents.n_latents, config.density)
        self._extremes = extremes
        """``(2, n_latents)``: how low and high each normalised latent goes in training."""
        weights = space.latents.stds
        self._latent_weights = (weights / weights.mean()).astype(np.float32)
        """``(n_latents,)`` of mean 1: variance weighting, of the inputs and in the loss."""

    @classmethod
    def build(
        cls, config: ModelConfig, n_bins: int, frames_per_second: float, train: Batches
    ) -> Self:
        """Fit latents and conditioning; the network starts at predicting from the last step."""
        network = _Network.build(config)
        space = LatentSpace.fit(train, config)
        conditioning = Combined.fit(config.conditioning, train, config.latents.stack_frames)
        products = squares = np.zeros((), np.float32)
        for windows in train.epoch(0):
            latents = normalised(space, windows)
            products = products + (latents[:, 1:] * latents[:, :-1]).sum(axis=(0, 1))
            squares = squares + (latents[:, :-1] ** 2).sum(axis=(0, 1))
        correlations = products / np.maximum(squares, 1e-6)
        turns, extremes = cls.fit_turns(config, train, space), _extremes(space, train)
        model = cls(config, frames_per_second, network, space, conditioning, turns, extremes)
        network.head.start_at(correlations, model._latent_weights)
        return model

    def adapted(self, config: ModelConfig, train: Batches) -> Self:
        """Also: latents go where these recordings have been, no longer where others have."""
        other = super().adapted(config, train)
        other._extremes = _extremes(self._space, train)
        return other

    def example(
        self,
        windows: np.ndarray,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Example:
        prepared = self._prepared(windows, training=training, rng=rng)
        latents = prepared.latents
        steps = self._trained_steps(latents, training, rng)
        at_steps = prepared.features.at(self._space.variance_weighted(latents), steps)
        inputs, targets = at(latents, steps) * self._latent_weights, at(latents, steps + 1)
        return Example((inputs, at_steps, prepared.features.constant, targets), targets)

    def loss(self, targets: Any, outputs: Any, weights: Any = None) -> Any:
        """Mean negative log-likelihood of a latent in nats, variance-weighted."""
        return negative_log_likelihood(targets, outputs, self._draws, self._latent_weights, weights)

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """A Gaussian for each latent: the same at every step, and one around the last step."""
        moves, count = np.zeros(()), 0
        for windows in train.epoch(0):
            changes = np.diff(normalised(self._space, windows).astype(np.float64), axis=1)
            moves = moves + (changes**2).sum(axis=(0, 1))
            count += changes.shape[0] * changes.shape[1]
        stds = np.sqrt(moves / count) + 1e-6
        weights, losses, n_values = self._latent_weights, np.zeros(2), 0
        for windows in validation.epoch(0):
            latents = normalised(self._space, windows).astype(np.float64)
            apart = (latents[:, 1:], np.diff(latents, axis=1) / stds)
            losses += [(weights * 0.5 * distance**2).sum() for distance in apart]
            n_values += apart[0].size
        losses = losses / n_values + _HALF_LOG_2PI + [0.0, (weights * np.log(stds)).mean()]
        return {"marginal_gaussian": float(losses[0]), "last_step_gaussian": float(losses[1])}

    def _steps_of(self, latents: np.ndarray) -> np.ndarray:
        return latents

    def _latents_of(self, steps: np.ndarray) -> np.ndarray:
        return steps

    def _step_sampler(self) -> MixtureSampler:
        return self._head.sampler(self._latent_weights, self._extremes)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"extremes": self._extremes, **super().arrays()}

    @classmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        return {"extremes": (2, config.latents.n_latents), **super().shapes(config, n_bins)}

    @classmethod
    def from_arrays(
        cls,
        config: ModelConfig,
        n_bins: int,
        frames_per_second: float,
        arrays: Mapping[str, np.ndarray],
    ) -> Self:
        stack = config.latents.stack_frames
        return cls(
            config,
            frames_per_second,
            _Network.build(config),
            LatentSpace.from_arrays(config, arrays),
            Combined.from_arrays(config.conditioning, arrays, stack),
            cls.turns_from_arrays(config, arrays),
            arrays["extremes"],
        )


def _extremes(space: LatentSpace, batches: Batches) -> np.ndarray:
    """``(2, n_latents)``: lowest and highest of each normalised latent in a batch, on average.

    Of the strangest moment in hours of music, a model has not learnt what comes after it.
    """
    total, n_batches = np.zeros((), np.float32), 0
    for windows in batches.epoch(0):
        latents = normalised(space, windows)
        total = total + np.array([latents.min(axis=(0, 1)), latents.max(axis=(0, 1))])
        n_batches += 1
    return total / n_batches


def draws_of(n_latents: int, config: DensityConfig) -> np.ndarray:
    """Which draw each latent belongs to: ``(n_latents,)``, ascending from 0.

    The first ``config.singly`` are drawn one by one, the others ``config.together`` at a time.
    """
    latents = np.arange(n_latents)
    return np.where(
        latents < config.singly,
        latents,
        config.singly + (latents - config.singly) // config.together,
    )


class MixtureHead(keras.layers.Layer):
    """Hidden states, last latents and latents → mixtures ``(batch, n_steps, n, 3, components)``.

    For each latent the logits, means and log stds of its mixture; those drawn together have one,
    whose logits are the sums of theirs. What is of draw ``d`` depends on the backbone and on the
    latents of draws ``< d``: hidden unit ``j`` sees the draws before its degree, and draw ``d`` the
    units of degree at most ``d`` (Germain et al. 2015). The backbone reaches every unit and, past
    the units, every mixture. Means are relative to a share of the last step's latent, the
    persistence, which the head starts with as its whole prediction.
    """

    def __init__(self, n_latents: int, config: DensityConfig):
        super().__init__()
        self._n_latents, self._components = n_latents, config.components
        self._n_units = config.hidden_units
        self._n_outputs = n_latents * 3 * config.components
        self._draws = draws_of(n_latents, config)
        # Ascending, so that the units a draw sees come first.
        self._degrees = np.arange(self._n_units) * (self._draws[-1] + 1) // self._n_units
        self._sees_latent = (self._draws[:, None] < self._degrees).astype(np.float32)
        sees_unit = self._degrees[:, None] <= self._draws
        self._sees_unit = np.repeat(sees_unit, 3 * config.components, axis=1).astype(np.float32)
        self._dropout = keras.layers.Dropout(config.dropout)

    def build(self, hidden_shape: Any, last_shape: Any = None, latents_shape: Any = None) -> None:
        n_hidden, n_units, n_outputs = hidden_shape[-1], self._n_units, self._n_outputs
        self.hidden_to_units = self.add_weight(
            shape=(n_hidden, n_units), initializer="glorot_uniform"
        )
        self.latents_to_units = self.add_weight(
            shape=(self._n_latents, n_units), initializer="glorot_uniform"
        )
        self.unit_bias = self.add_weight(shape=(n_units,), initializer="zeros")
        self.units_to_outputs = self.add_weight(
            shape=(n_units, n_outputs), initializer=keras.initializers.RandomNormal(stddev=0.01)
        )
        self.hidden_to_outputs = self.add_weight(shape=(n_hidden, n_outputs), initializer="zeros")
        self.output_bias = self.add_weight(shape=(n_outputs,), initializer="zeros")
        self.persistence = self.add_weight(shape=(self._n_latents,), initializer="zeros")
        self.start_at(np.zeros(self._n_latents))

    def start_at(self, correlations: np.ndarray, scales: np.ndarray | float = 1.0) -> None:
        """Begin near p(z_d | past) = N(ρ_d · last z_d, 1 - ρ_d²), ``correlations`` ρ (n_latents,).

        ``scales`` (n_latents,) are what the last step's latents are multiplied by as inputs. The
        components start apart, or they would stay one.
        """
        stds = np.sqrt(np.maximum(1.0 - correlations**2, 0.01))[:, None]
        apart = np.linspace(-1.0, 1.0, self._components) if self._components > 1 else np.zeros(1)
        start = np.zeros((self._n_latents, 3, self._components), np.float32)
        start[:, 1] = stds * apart
        start[:, 2] = np.log(stds)
        self.output_bias.assign(start.reshape(-1))
        self.persistence.assign((correlations / scales).astype(np.float32))

    def call(self, hidden: Any, last: Any, latents: Any, training: bool | None = None) -> Any:
        units = ops.matmul(hidden, self.hidden_to_units) + self.unit_bias
        units = ops.silu(units + ops.matmul(latents, self.latents_to_units * self._sees_latent))
        units = self._dropout(units, training=training)  # (batch, n_steps, units)
        outputs = ops.matmul(units, self.units_to_outputs * self._sees_unit) + self.output_bias
        outputs = outputs + ops.matmul(hidden, self.hidden_to_outputs)
        # (batch, n_steps, n_latents, 3, components)
        shape = (*ops.shape(outputs)[:-1], self._n_latents, 3, self._components)
        logits, means, log_stds = ops.unstack(ops.reshape(outputs, shape), axis=-2)
        means = means + (self.persistence * last)[..., None]
        return ops.stack([logits, means, _floored(log_stds)], axis=-2)

    def sampler(self, input_weights: np.ndarray, extremes: np.ndarray) -> MixtureSampler:
        """The same head in NumPy, one draw at a time; see :class:`MixtureSampler`."""
        return MixtureSampler(
            input_weights=input_weights,
            extremes=extremes,
            **{
                name: ops.convert_to_numpy(getattr(self, name))
                for name in (
                    "hidden_to_units", "latents_to_units", "unit_bias", "units_to_outputs",
                    "hidden_to_outputs", "output_bias", "persistence",
                )
            },
            degrees=self._degrees,
            draws=self._draws,
        )  # fmt: skip


class MixtureSampler:
    """A :class:`MixtureHead` in NumPy: a step's draws one after another.

    For each it computes only what it newly needs. A property test holds it equal to the head.
    ``input_weights`` (n_latents,) are what latents are multiplied by as inputs of the backbone; no
    latent drawn leaves ``extremes`` (2, n_latents), how far training went: beyond them the
    network has nothing to go by, and one latent out of all bounds would take those after it along.
    """

    def __init__(
        self,
        *,
        input_weights: np.ndarray,
        extremes: np.ndarray,
        hidden_to_units: np.ndarray,
        latents_to_units: np.ndarray,
        unit_bias: np.ndarray,
        units_to_outputs: np.ndarray,
        hidden_to_outputs: np.ndarray,
        output_bias: np.ndarray,
        persistence: np.ndarray,
        degrees: np.ndarray,
        draws: np.ndarray,
    ):
        self._input_weights = input_weights
        self._lowest, self._highest = extremes.astype(np.float32)
        self._hidden_to_units, self._unit_bias = hidden_to_units, unit_bias
        self._hidden_to_outputs, self._output_bias = hidden_to_outputs, output_bias
        self._persistence = persistence
        n_latents = self._n_latents = len(latents_to_units)
        numbers = np.arange(draws[-1] + 1)
        firsts, ends = (np.searchsorted(draws, numbers, side=side) for side in ("left", "right"))
        self._members = [slice(*bounds) for bounds in zip(firsts, ends, strict=True)]
        # Units that draw d sees, and did not yet see at d - 1.
        ends = np.searchsorted(degrees, numbers, side="right")
        self._new_units = [slice(*bounds) for bounds in zip([0, *ends[:-1]], ends, strict=True)]
        width = units_to_outputs.shape[1] // n_latents
        self._n_components = width // 3
        by_latent = units_to_outputs.reshape(-1, n_latents, width)
        self._to_new_units, self._to_mixture = [], []
        for members, new in zip(self._members, self._new_units, strict=True):
            seen = latents_to_units[: members.start, new]
            self._to_new_units.append(np.ascontiguousarray(seen))
            to_mixture = by_latent[: new.stop, members].reshape(new.stop, -1)
            self._to_mixture.append(np.ascontiguousarray(to_mixture))

    @property
    def uniforms_shape(self) -> tuple[int, int]:
        """Uniforms that one step of one sequence takes."""
        return self._n_latents, 1 + self._n_components

    def inputs(self, steps: np.ndarray) -> np.ndarray:
        """What the backbone is given for steps, ``(n, n_latents)``."""
        return steps * self._input_weights

    def draw(
        self,
        hidden: np.ndarray,
        inputs: np.ndarray,
        uniforms: np.ndarray,
        temperature: float,
        top_p: float = 1.0,
    ) -> np.ndarray:
        """The step after ``inputs`` (n, n_latents), given ``hidden`` (n, n_hidden).

        ``uniforms`` (n, n_latents, 1 + components) → (n, n_latents) float32. ``temperature``
        divides the logits and scales the stds; at 0 each draw is the means of its heaviest
        component.
        """
        normals = (temperature * central_normal(uniforms[..., 0], top_p)).astype(np.float32)
        gumbels = (temperature * gumbel(uniforms[..., 1:])).astype(np.float32)
        units, outputs = self._start(hidden, inputs)
        latents = np.zeros((len(hidden), self._n_latents), np.float32)
        for number, members in enumerate(self._members):
            mixture = self._mixture(number, latents, units, outputs)
            of_draw = gumbels[:, members.start], normals[:, members]
            drawn = sample_mixture(mixture, *of_draw, _LEAST_STD)
            lowest, highest = self._lowest[members], self._highest[members]
            latents[:, members] = np.minimum(np.maximum(drawn, lowest), highest)
        return latents

    def mixtures(self, hidden: np.ndarray, last: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """All mixtures of steps whose latents are known: ``(n, n_latents, 3, components)``.

        What the head's call returns, but for the least std, which is not yet added.
        """
        units, outputs = self._start(hidden, last)
        for number in range(len(self._members)):
            self._mixture(number, latents, units, outputs)
        return outputs

    def _start(self, hidden: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The backbone's share of units ``(n, 1, units)`` and of outputs ``(n, latents, 3, c)``."""
        units = (rowwise_matmul(hidden, self._hidden_to_units) + self._unit_bias)[:, None]
        outputs = rowwise_matmul(hidden, self._hidden_to_outputs) + self._output_bias
        outputs = outputs.reshape(len(hidden), self._n_latents, 3, -1)
        outputs[:, :, 1] += (self._persistence * last)[..., None]
        return units, outputs

    def _mixture(
        self, number: int, latents: np.ndarray, units: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        """Complete the mixture of a draw, ``(n, members, 3, components)``, given those before it.

        ``units`` and ``outputs``, of :meth:`_start`, are completed in place, in order of draws:
        this runs dozens of times a step, so with as few calls of NumPy as will do.
        """
        members, new_units = self._members[number], self._new_units[number]
        if new_units.stop > new_units.start:
            new = units[..., new_units]
            new += np.matmul(latents[:, None, : members.start], self._to_new_units[number])
            new *= expit(new)
        mixture = outputs[:, members]
        seen = units[..., : new_units.stop]
        mixture += np.matmul(seen, self._to_mixture[number]).reshape(mixture.shape)
        return mixture


def sample_mixture(
    mixture: np.ndarray, gumbels: np.ndarray, normals: np.ndarray, least_std: float = 0.0
) -> np.ndarray:
    """The members' values from each mixture, ``(n, members, 3, components)`` → ``(n, members)``.

    ``gumbels`` (n, components), Gumbel numbers times the temperature, pick the components (the
    highest sum with the logits is chosen as often as its weight says); ``normals`` (n, members),
    normal numbers times the temperature, the places within them, in stds, to which ``least_std`` is
    added.
    """
    chosen = (mixture[:, :, 0].sum(axis=1) + gumbels).argmax(axis=1)
    picked = mixture[np.arange(len(mixture)), :, :, chosen]
    stds = np.exp(np.minimum(picked[:, :, 2], _LARGEST_LOG_STD)) + least_std
    return picked[:, :, 1] + stds * normals


def negative_log_likelihood(
    latents: Any,
    mixtures: Any,
    draws: np.ndarray,
    latent_weights: Any = 1.0,
    step_weights: Any = None,
) -> Any:
    """Mean over all of -log p in nats: ``(…, n)`` under mixtures ``(…, n, 3, components)``.

    ``draws`` (n,), of :func:`draws_of`, say which latents have a mixture in common.
    ``latent_weights`` (n,), 1 on average, say how much each latent counts, those of a draw alike;
    ``step_weights`` (…,), how much each step does: the mean is then theirs.
    """
    n_latents = len(draws)
    members = (np.arange(draws[-1] + 1)[:, None] == draws).astype(np.float32)  # (n_draws, n)
    logits, means, log_stds = ops.unstack(mixtures, axis=-2)
    away = (latents[..., None] - means) * ops.exp(-log_stds)
    of_latents = -0.5 * away * away - log_stds - _HALF_LOG_2PI  # (…, n, components)
    of_components = ops.log_softmax(ops.matmul(members, logits)) + ops.matmul(members, of_latents)
    draw_weights = members @ (latent_weights * np.ones(n_latents)) / members.sum(axis=1)
    of_draws = draw_weights.astype(np.float32) * ops.logsumexp(of_components, axis=-1)
    log_likelihoods = ops.sum(of_draws, axis=-1) / n_latents
    if step_weights is None:
        return -ops.mean(log_likelihoods)
    return -weighted_mean(log_likelihoods, step_weights)


def _floored(log_stds: Any) -> Any:
    """Log stds as much larger as the least std is."""
    log_least = math.log(_LEAST_STD)
    return log_least + ops.logaddexp(log_stds - log_least, 0.0)
