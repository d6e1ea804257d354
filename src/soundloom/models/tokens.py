"""``tokens``: each step as a few code words, one refining the other, and a network that spells.

Residual vector quantisation: the first codebook holds the k-means centres of the latents, each next
one those of what is still missing (Juang & Gray 1982; Zeghidour et al. 2021 for audio). A recurrent
backbone hears the codes so far; a head then predicts the codes of the next step level by level,
each from the backbone and the levels before it (as the depth transformer of Lee et al. 2022 does),
by cross-entropy.

In training a share of the codes heard is replaced by random ones: it then learns to lead its own
slips back to the data. What the codebooks do not hold is lost: noise of the right size put back at
decoding measured worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from soundloom.common.io import read_arrays, write_arrays
from soundloom.models.backbone import times
from soundloom.models.base import save_weights
from soundloom.models.config import ModelConfig, TokensConfig
from soundloom.models.sampling import choose
from soundloom.models.sequence import SequenceModel, at
from soundloom.pairs.windows import Batches

_WEIGHTS_FILE = "network.weights.h5"
_CODES_FILE = "codes.npz"
# K-means sees at most this many steps: enough for any codebook, and bounded memory.
_MOST_STEPS = 200_000


class Tokens(SequenceModel):
    """Embeddings of codes → GRUs → the codes of the next step, level by level."""

    def __init__(self, config: ModelConfig, n_bins: int, frames_per_second: float):
        super().__init__(config, n_bins, frames_per_second)
        levels, codes = config.tokens.levels, config.tokens.codes
        self._codebooks = np.zeros((levels, codes, config.latents.n_latents), np.float32)
        # One table for all levels, each with its own rows.
        self._embed = keras.layers.Embedding(levels * codes, config.latents.n_latents)
        self._rows = np.arange(levels, dtype=np.int32) * codes
        self._head = SpellingHead(config.tokens)

        heard = keras.Input((None, levels), dtype="int32")
        at_steps, constant = self._inputs_of_told()
        following = keras.Input((None, levels), dtype="int32")
        embedded = ops.sum(self._embed(heard + self._rows), axis=-2)
        logits = self._head(self._hidden(embedded, at_steps, constant), following)
        self.network = keras.Model([heard, at_steps, constant, following], logits)

    def prepare(self, train: Batches) -> None:
        """Fit the latents, then the codebooks on them; embeddings start as the code words."""
        wanted = self._config.latents
        self._fit_latents(train)
        steps = np.concatenate(
            [
                (self._relative(windows) * self._latents.deviations).reshape(-1, wanted.n_latents)
                for windows in train.epoch(0)
            ]
        )
        steps = steps[:: -(-len(steps) // _MOST_STEPS)]
        self._codebooks = fit_codebooks(
            steps, self._config.tokens.levels, self._config.tokens.codes
        )
        # From a random start, the sums of near and far steps would look alike for long.
        words = self._codebooks / self._latents.deviations
        self._embed.set_weights([words.reshape(-1, wanted.n_latents)])

    def example(
        self, windows: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[Any, Any]:
        latents, told, _ = self._seen(windows, rng=rng)
        codes = self._spelt(latents)
        steps = self._trained_steps(latents, rng)
        told_at_steps = self._told_at(self._weighted(self._read(codes)), told, steps)
        heard, following = at(codes, steps), at(codes, steps + 1)
        if rng is not None:
            wanted = self._config.tokens
            wrong = rng.random(heard.shape, np.float32) < wanted.token_noise
            heard = np.where(wrong, rng.integers(0, wanted.codes, heard.shape, np.int32), heard)
        return (heard, told_at_steps, told.constant, following), following

    def loss(self) -> Any:
        smoothing = self._config.tokens.label_smoothing
        return lambda codes, logits: cross_entropy(codes, logits, smoothing)

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Cross-entropy of always predicting how common each code of a level was in training."""
        shape = self._codebooks.shape[:2]
        counts, met = (
            sum((_counts(codes, shape) for codes in self._codes(part)), np.zeros(shape))
            for part in (train, validation)
        )
        # Laplace's rule: no code is impossible.
        rates = (counts + 1.0) / (counts.sum(axis=1, keepdims=True) + shape[1])
        return {"code_frequencies": float(-(met * np.log(rates)).sum() / met.sum())}

    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        top_p: float = 1.0,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        latents = self._latents
        n_steps = self._steps_to_draw(n_frames)
        table = ops.convert_to_numpy(self._embed.embeddings)
        with threadpool_limits(1):
            prompt, told, level = self._seen(latents.whole_steps(prompts), n_steps)
            heard = self._spelt(prompt)
            head = self._head.sampler()

            def draw(hidden: np.ndarray, _: np.ndarray) -> np.ndarray:
                chances = np.stack([rng.random(len(self._rows)) for rng in rngs])
                return head.draw(hidden, chances, temperature, top_p)

            drawn = self._go_on(
                heard, told, self._read, lambda codes: table[codes + self._rows].sum(axis=1), draw
            )
            return self._frames(self._read(drawn), level)[:, :n_frames]

    def save(self, folder: Path) -> None:
        save_weights(self.network, folder / _WEIGHTS_FILE)
        arrays = self._arrays_of_latents()
        write_arrays(folder / _CODES_FILE, {"codebooks": self._codebooks, **arrays})

    @classmethod
    def load(cls, folder: Path, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        model = cls(config, n_bins, frames_per_second)
        model.network.load_weights(folder / _WEIGHTS_FILE)
        arrays = read_arrays(folder / _CODES_FILE)
        model._restore_latents(arrays)
        model._codebooks = arrays["codebooks"]
        return model

    def _codes(self, batches: Batches) -> Iterator[np.ndarray]:
        for windows in batches.epoch(0):
            yield self._spelt(self._relative(windows))

    def _read(self, codes: np.ndarray) -> np.ndarray:
        """The standardised latents that codes ``(…, levels)`` stand for."""
        return dequantise(codes, self._codebooks) / self._latents.deviations

    def _spelt(self, latents: np.ndarray) -> np.ndarray:
        """Standardised latents as codes; the code words count each by how much it varies."""
        return quantise(latents * self._latents.deviations, self._codebooks)


def fit_codebooks(steps: np.ndarray, levels: int, codes: int) -> np.ndarray:
    """K-means centres of ``steps`` (n, n_latents), then of what they leave, level by level.

    → ``(levels, codes, n_latents)`` float32. With fewer steps than codes, the rest are zeros.
    """
    codebooks = np.zeros((levels, codes, steps.shape[1]), np.float32)
    left = steps.astype(np.float32)
    with threadpool_limits(1):
        for level in range(levels):
            kmeans = MiniBatchKMeans(
                min(codes, len(steps)), random_state=level, batch_size=4096, n_init=1
            ).fit(left)
            codebooks[level, : kmeans.n_clusters] = kmeans.cluster_centers_
            left = left - codebooks[level][_nearest(left, codebooks[level])]
    return codebooks


def quantise(latents: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """``(…, n_latents)`` → codes ``(…, levels)`` int32, each level the nearest to what is left."""
    left = latents.reshape(-1, latents.shape[-1])
    codes = np.empty((len(left), len(codebooks)), np.int32)
    with threadpool_limits(1):
        for level, codebook in enumerate(codebooks):
            codes[:, level] = _nearest(left, codebook)
            left = left - codebook[codes[:, level]]
    return codes.reshape(*latents.shape[:-1], len(codebooks))


def dequantise(codes: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """Codes ``(…, levels)`` → ``(…, n_latents)``: the sum of their words."""
    return codebooks[np.arange(len(codebooks)), codes].sum(axis=-2)


def _nearest(points: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    distances = (codebook**2).sum(axis=1) - 2.0 * points @ codebook.T
    return distances.argmin(axis=1)


def _counts(codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How often each code of each level occurs, ``(levels, codes)``."""
    counts = np.zeros(shape)
    np.add.at(counts, (np.arange(shape[0]), codes.reshape(-1, shape[0])), 1.0)
    return counts


class SpellingHead(keras.layers.Layer):
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
        self.of_hidden = self.add_weight(
            shape=(hidden_shape[-1], levels * units), initializer="glorot_uniform"
        )
        self.unit_bias = self.add_weight(shape=(levels, units), initializer="zeros")
        self.of_codes = self.add_weight(
            shape=((levels - 1) * self._codes + 1, units),
            initializer=keras.initializers.RandomNormal(stddev=0.3),
        )
        self.of_units = self.add_weight(
            shape=(levels, units, self._codes), initializer="glorot_uniform"
        )
        self.output_bias = self.add_weight(shape=(levels, self._codes), initializer="zeros")

    def call(self, hidden: Any, codes: Any, training: bool | None = None) -> Any:
        levels, n_units = self._levels, self._n_units
        shape = (*ops.shape(hidden)[:-1], levels, n_units)
        units = ops.reshape(ops.matmul(hidden, self.of_hidden), shape) + self.unit_bias
        if levels > 1:
            rows = np.arange(levels - 1, dtype=np.int32) * self._codes
            spelt = ops.cumsum(ops.take(self.of_codes, codes[..., :-1] + rows, axis=0), axis=-2)
            units = units + ops.concatenate([ops.zeros_like(units[..., :1, :]), spelt], axis=-2)
        units = self._dropout(ops.silu(units), training=training)
        return ops.einsum("btlu,luc->btlc", units, self.of_units) + self.output_bias

    def sampler(self) -> SpellingSampler:
        """The same head in NumPy, one level at a time."""
        return SpellingSampler(
            *(
                ops.convert_to_numpy(weight)
                for weight in (
                    self.of_hidden, self.unit_bias, self.of_codes, self.of_units, self.output_bias,
                )
            )
        )  # fmt: skip


class SpellingSampler:
    """Draws a step's codes level by level."""

    def __init__(
        self,
        of_hidden: np.ndarray,
        unit_bias: np.ndarray,
        of_codes: np.ndarray,
        of_units: np.ndarray,
        output_bias: np.ndarray,
    ):
        self._of_hidden, self._unit_bias, self._of_codes = of_hidden, unit_bias, of_codes
        self._of_units, self._output_bias = of_units, output_bias

    def draw(
        self, hidden: np.ndarray, chances: np.ndarray, temperature: float, top_p: float = 1.0
    ) -> np.ndarray:
        """``hidden`` (n, n_hidden), ``chances`` (n, levels) in [0, 1) → codes (n, levels) int32."""
        codes = np.zeros((len(hidden), len(self._unit_bias)), np.int32)
        for level, logits in self.logits(hidden, codes):
            codes[:, level] = choose(logits, chances[:, level], temperature, top_p)
        return codes

    def logits(self, hidden: np.ndarray, codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each level and the ``(n, codes)`` logits of its code, in order.

        ``codes`` (n, levels) is read as it goes: the caller fills in each level before the next.
        """
        n_codes = self._output_bias.shape[1]
        units = times(hidden, self._of_hidden).reshape(len(hidden), *self._unit_bias.shape)
        units = units + self._unit_bias
        spelt = np.zeros_like(units[:, 0])
        for level in range(units.shape[1]):
            if level > 0:
                spelt += self._of_codes[codes[:, level - 1] + (level - 1) * n_codes]
            unit = units[:, level] + spelt
            unit = unit * 0.5 * (1.0 + np.tanh(0.5 * unit))
            yield level, times(unit, self._of_units[level]) + self._output_bias[level]


def cross_entropy(codes: Any, logits: Any, smoothing: float) -> Any:
    """Mean cross-entropy in nats a code, ``(…,)`` int under ``(…, codes)``.

    ``smoothing`` of the target's weight is spread over all codes (Szegedy et al. 2016).
    """
    logs = ops.log_softmax(logits)
    of_targets = ops.take_along_axis(logs, ops.cast(codes, "int32")[..., None], axis=-1)
    return -(1.0 - smoothing) * ops.mean(of_targets) - smoothing * ops.mean(logs)
