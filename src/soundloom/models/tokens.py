"""``tokens``: each step as a few codes, one refining the other, predicted one after another.

Residual vector quantisation: the first codebook holds the k-means centres of the latents, each next
one those of what is still missing (Juang & Gray 1982; Zeghidour et al. 2021 for audio). A recurrent
backbone runs over the codes so far; a head then predicts the codes of the next step level by level,
each from the backbone and the levels before it (as the depth transformer of Lee et al. 2022 does),
by cross-entropy.

In training a share of the input codes is replaced by random ones: the model then learns to lead its
own slips back to the data. What the codebooks do not hold is lost: noise of the right size put back
at decoding measured worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
from keras import ops
from threadpoolctl import threadpool_limits

from soundloom.models.backbone import Backbone
from soundloom.models.base import Example, weighted_mean
from soundloom.models.conditioning.combined import Combined
from soundloom.models.config import ModelConfig, Shapes, TokensConfig
from soundloom.models.latent_space import LatentSpace
from soundloom.models.rowwise import rowwise_matmul
from soundloom.models.sampling import sample_categorical
from soundloom.models.sections import Turns
from soundloom.models.sequence import BackboneInputs, SequenceModel, at, normalised

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

# K-means is fitted on at most this many steps: enough for any codebook, and bounded memory.
_MOST_STEPS = 200_000


class _Network(NamedTuple):
    backbone: Backbone
    embedding: keras.layers.Embedding
    head: CodeHead
    model: keras.Model

    @classmethod
    def build(cls, config: ModelConfig) -> _Network:
        levels, codes = config.tokens.levels, config.tokens.codes
        backbone = Backbone(config.backbone)
        # One table for all levels, each with its own rows.
        embedding = keras.layers.Embedding(levels * codes, config.latents.n_latents)
        head = CodeHead(config.tokens)
        steps = keras.Input((None, levels), dtype="int32")
        features = BackboneInputs.for_config(config)
        following = keras.Input((None, levels), dtype="int32")
        # (batch, n_steps, n_latents)
        embedded = ops.sum(embedding(steps + _first_rows(levels, codes)), axis=-2)
        logits = head(features.hidden(backbone, embedded), following)
        inputs = [steps, features.at_steps, features.constant, following]
        return cls(backbone, embedding, head, keras.Model(inputs, logits))


class Tokens(SequenceModel):
    """Embeddings of codes → GRUs → the codes of the next step, level by level."""

    def __init__(
        self,
        config: ModelConfig,
        frames_per_second: float,
        network: _Network,
        space: LatentSpace,
        conditioning: Combined,
        turns: Turns | None,
        codebooks: np.ndarray,
    ):
        super().__init__(config, frames_per_second, network.backbone, space, conditioning, turns)
        self.network = network.model
        self._embedding, self._head = network.embedding, network.head
        self._codebooks = codebooks
        """``(levels, codes, n_latents)`` float32."""

    @classmethod
    def build(
        cls, config: ModelConfig, n_bins: int, frames_per_second: float, train: Batches
    ) -> Self:
        """Fit latents and conditioning, then the codebooks; embeddings start as the code words."""
        network = _Network.build(config)
        space = LatentSpace.fit(train, config)
        conditioning = Combined.fit(config.conditioning, train, config.latents.stack_frames)
        stds, n_latents = space.latents.stds, config.latents.n_latents
        stack = config.latents.stack_frames
        n_steps = sum(len(windows) * (windows.shape[1] // stack) for windows in train.epoch(0))
        steps = every_nth(
            (
                (normalised(space, windows) * stds).reshape(-1, n_latents)
                for windows in train.epoch(0)
            ),
            -(-n_steps // _MOST_STEPS),
        )
        codebooks = fit_codebooks(steps, config.tokens.levels, config.tokens.codes)
        # From a random start, the sums of near and far steps would look alike for long.
        network.embedding.set_weights([(codebooks / stds).reshape(-1, n_latents)])
        turns = cls.fit_turns(config, train, space)
        return cls(config, frames_per_second, network, space, conditioning, turns, codebooks)

    def example(
        self,
        windows: np.ndarray,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Example:
        prepared = self._prepared(windows, training=training, rng=rng)
        codes = self._steps_of(prepared.latents)  # (batch, n_known, levels)
        steps = self._trained_steps(prepared.latents, training, rng)
        weighted = self._space.variance_weighted(self._latents_of(codes))
        at_steps = prepared.features.at(weighted, steps)
        inputs, targets = at(codes, steps), at(codes, steps + 1)
        if training and rng is not None:
            wanted = self._config.tokens
            wrong = rng.random(inputs.shape, np.float32) < wanted.token_noise
            inputs = np.where(wrong, rng.integers(0, wanted.codes, inputs.shape, np.int32), inputs)
        return Example((inputs, at_steps, prepared.features.constant, targets), targets)

    def loss(self, targets: Any, outputs: Any, weights: Any = None) -> Any:
        """Mean cross-entropy of a code in nats."""
        return cross_entropy(targets, outputs, weights)

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Cross-entropy of always predicting how common each code of a level was in training."""
        shape = self._codebooks.shape[:2]
        in_training, in_validation = (
            sum((_counts(codes, shape) for codes in self._codes_in(part)), np.zeros(shape))
            for part in (train, validation)
        )
        # Laplace's rule: no code is impossible.
        rates = (in_training + 1.0) / (in_training.sum(axis=1, keepdims=True) + shape[1])
        loss = -(in_validation * np.log(rates)).sum() / in_validation.sum()
        return {"code_frequencies": float(loss)}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"codebooks": self._codebooks, **super().arrays()}

    @classmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        wanted = config.tokens
        codebooks = (wanted.levels, wanted.codes, config.latents.n_latents)
        return {"codebooks": codebooks, **super().shapes(config, n_bins)}

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
            arrays["codebooks"],
        )

    def _step_sampler(self) -> CodeSampler:
        return self._head.sampler(ops.convert_to_numpy(self._embedding.embeddings))

    def _codes_in(self, batches: Batches) -> Iterator[np.ndarray]:
        for windows in batches.epoch(0):
            yield self._steps_of(normalised(self._space, windows))

    def _latents_of(self, steps: np.ndarray) -> np.ndarray:
        """The normalised latents that codes ``(…, levels)`` stand for."""
        return dequantise(steps, self._codebooks) / self._space.latents.stds

    def _steps_of(self, latents: np.ndarray) -> np.ndarray:
        """Normalised latents as codes; in the codebooks, each counts by how much it varies."""
        return quantise(latents * self._space.latents.stds, self._codebooks)


def _first_rows(levels: int, codes: int) -> np.ndarray:
    """The first row of each level in a table of ``levels * codes`` rows."""
    return np.arange(levels, dtype=np.int32) * codes


def every_nth(batches: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Rows 0, n, 2n … of batches ``(k, n_values)`` laid end to end, without ever laying them so."""
    kept, to_skip = [], 0
    for rows in batches:
        kept.append(rows[to_skip::n].copy())  # not a view, which would keep all of the batch
        to_skip = (to_skip - len(rows)) % n
    return np.concatenate(kept)


def fit_codebooks(steps: np.ndarray, levels: int, codes: int) -> np.ndarray:
    """K-means centres of ``steps`` (n, n_latents), then of what they leave, level by level.

    → ``(levels, codes, n_latents)`` float32. With fewer steps than codes, the rest are zeros.
    """
    # Takes seconds to import, which other models, and generating, need not wait for.
    from sklearn.cluster import MiniBatchKMeans

    codebooks = np.zeros((levels, codes, steps.shape[1]), np.float32)
    residual = steps.astype(np.float32)
    with threadpool_limits(1):
        for level in range(levels):
            kmeans = MiniBatchKMeans(
                min(codes, len(steps)), random_state=level, batch_size=4096, n_init=1
            ).fit(residual)
            codebooks[level, : kmeans.n_clusters] = kmeans.cluster_centers_
            residual = residual - codebooks[level][_nearest(residual, codebooks[level])]
    return codebooks


def quantise(latents: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """``(…, n_latents)`` → codes ``(…, levels)`` int32, each level the nearest to the residual."""
    residual = latents.reshape(-1, latents.shape[-1])
    codes = np.empty((len(residual), len(codebooks)), np.int32)
    with threadpool_limits(1):
        for level, codebook in enumerate(codebooks):
            codes[:, level] = _nearest(residual, codebook)
            residual = residual - codebook[codes[:, level]]
    return codes.reshape(*latents.shape[:-1], len(codebooks))


def dequantise(codes: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """Codes ``(…, levels)`` → ``(…, n_latents)``: the sum of their code words."""
    return codebooks[np.arange(len(codebooks)), codes].sum(axis=-2)


def _nearest(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    distances = (codebook**2).sum(axis=1) - 2.0 * points @ codebook.T
    return distances.argmin(axis=1)


def _counts(codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How often each code of each level occurs, ``(levels, codes)``."""
    counts = np.zeros(shape)
    np.add.at(counts, (np.arange(shape[0]), codes.reshape(-1, shape[0])), 1.0)
    return counts


class CodeHead(keras.layers.Layer):
    """Hidden states and codes → logits ``(batch, n_steps, levels, codes)`` of each level's code.

    They depend on the backbone and on the codes ``(batch, n_steps, levels)`` of levels before.
    """

    def __init__(self, config: TokensConfig):
        super().__init__()
        self._levels, self._codes = config.levels, config.codes
        self._n_units = config.hidden_units
        self._dropout = keras.layers.Dropout(config.dropout)

    def build(self, hidden_shape: Any, codes_shape: Any) -> None:
        levels, units = self._levels, self._n_units
        self.hidden_to_units = self.add_weight(
            shape=(hidden_shape[-1], levels * units), initializer="glorot_uniform"
        )
        self.unit_bias = self.add_weight(shape=(levels, units), initializer="zeros")
        self.codes_to_units = self.add_weight(
            shape=((levels - 1) * self._codes + 1, units),
            initializer=keras.initializers.RandomNormal(stddev=0.3),
        )
        self.units_to_logits = self.add_weight(
            shape=(levels, units, self._codes), initializer="glorot_uniform"
        )
        self.output_bias = self.add_weight(shape=(levels, self._codes), initializer="zeros")

    def call(self, hidden: Any, codes: Any, training: bool | None = None) -> Any:
        levels, n_units = self._levels, self._n_units
        shape = (*ops.shape(hidden)[:-1], levels, n_units)
        # (batch, n_steps, levels, units)
        units = ops.reshape(ops.matmul(hidden, self.hidden_to_units), shape) + self.unit_bias
        if levels > 1:
            rows = codes[..., :-1] + _first_rows(levels - 1, self._codes)
            before = ops.cumsum(ops.take(self.codes_to_units, rows, axis=0), axis=-2)
            units = units + ops.concatenate([ops.zeros_like(units[..., :1, :]), before], axis=-2)
        units = self._dropout(ops.silu(units), training=training)
        return ops.einsum("btlu,luc->btlc", units, self.units_to_logits) + self.output_bias

    def sampler(self, embeddings: np.ndarray) -> CodeSampler:
        """The same head in NumPy, one level at a time; see :class:`CodeSampler`."""
        return CodeSampler(
            embeddings,
            *(
                ops.convert_to_numpy(weight)
                for weight in (
                    self.hidden_to_units, self.unit_bias, self.codes_to_units,
                    self.units_to_logits, self.output_bias,
                )
            ),
        )  # fmt: skip


class CodeSampler(NamedTuple):
    """A :class:`CodeHead` in NumPy: a step's codes level by level.

    A property test holds it equal to the head. ``embeddings`` (levels * codes, n_inputs) are what
    the backbone is given for codes, summed over the levels.
    """

    embeddings: np.ndarray
    hidden_to_units: np.ndarray
    unit_bias: np.ndarray
    codes_to_units: np.ndarray
    units_to_logits: np.ndarray
    output_bias: np.ndarray

    @property
    def uniforms_shape(self) -> tuple[int]:
        """Uniforms that one step of one sequence takes."""
        return (len(self.unit_bias),)

    def inputs(self, steps: np.ndarray) -> np.ndarray:
        """What the backbone is given for codes, ``(n, levels)``."""
        return self.embeddings[steps + _first_rows(*self.output_bias.shape)].sum(axis=1)

    def draw(
        self,
        hidden: np.ndarray,
        inputs: np.ndarray,
        uniforms: np.ndarray,
        temperature: float,
        top_p: float = 1.0,
    ) -> np.ndarray:
        """``hidden`` (n, n_hidden), ``uniforms`` (n, levels) → codes (n, levels) int32.

        ``inputs`` reach the head through the backbone alone.
        """
        units = self._start(hidden)
        codes = np.zeros((len(hidden), len(self.unit_bias)), np.int32)
        before = np.zeros_like(units[:, 0])
        for level in range(codes.shape[1]):
            logits = self._logits(level, units, before)
            codes[:, level] = sample_categorical(logits, uniforms[:, level], temperature, top_p)
            before = self._with_code(level, codes[:, level], before)
        return codes

    def logits(self, hidden: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """All logits of steps whose codes are known, as the head's call: (n, levels, codes)."""
        units = self._start(hidden)
        before, logits = np.zeros_like(units[:, 0]), []
        for level in range(codes.shape[1]):
            logits.append(self._logits(level, units, before))
            before = self._with_code(level, codes[:, level], before)
        return np.stack(logits, axis=1)

    def _start(self, hidden: np.ndarray) -> np.ndarray:
        """The backbone's share of the units, ``(n, levels, units)``."""
        units = rowwise_matmul(hidden, self.hidden_to_units)
        return units.reshape(len(hidden), *self.unit_bias.shape) + self.unit_bias

    def _logits(self, level: int, units: np.ndarray, before: np.ndarray) -> np.ndarray:
        """``(n, codes)``, given the share ``(n, units)`` of the levels before."""
        unit = units[:, level] + before
        unit = unit * 0.5 * (1.0 + np.tanh(0.5 * unit))
        return rowwise_matmul(unit, self.units_to_logits[level]) + self.output_bias[level]

    def _with_code(self, level: int, codes: np.ndarray, before: np.ndarray) -> np.ndarray:
        """The share of all levels up to this one, whose codes are ``(n,)``."""
        if level == len(self.unit_bias) - 1:  # nothing depends on the last level's
            return before
        return before + self.codes_to_units[codes + level * self.output_bias.shape[1]]


def cross_entropy(codes: Any, logits: Any, step_weights: Any = None) -> Any:
    """Mean cross-entropy in nats a code, ``(…, levels)`` int under ``(…, levels, codes)``.

    ``step_weights`` (…,) say how much each step counts: the mean is then theirs.
    """
    logs = ops.log_softmax(logits)
    of_targets = ops.take_along_axis(logs, ops.cast(codes, "int32")[..., None], axis=-1)
    if step_weights is None:
        return -ops.mean(of_targets)
    return -weighted_mean(ops.mean(of_targets[..., 0], axis=-1), step_weights)
