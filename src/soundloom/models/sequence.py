"""What the models of latents share: latents, GRUs that remember, and what these are told.

Beside the past of latents a model is told the style of what it continues (mean and spread of its
latents) and, at every step, the time of the step to come on the music's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from soundloom.config import ModelConfig
from soundloom.models.backbone import Backbone
from soundloom.models.base import FrameModel
from soundloom.models.clock import N_HANDS, N_TOLD, Clock
from soundloom.models.detail import CONTEXT_STEPS, Detail, frames_of
from soundloom.models.latents import Latents
from soundloom.windows import Batches

# The part of a window whose style is told in training is at least this share of it.
_SHORTEST_STYLE = 0.25
# Added to the variances that latents are taken relative to: what hardly moved in a prompt of a few
# seconds may do so after it.
_LEAST_VARIANCE = 0.05


@dataclass(frozen=True)
class Told:
    """What a model is told of windows or prompts beside their latents."""

    constant: np.ndarray
    """``(batch, n_told)``: the style, and what is constant of the clock."""
    hands: np.ndarray
    """``(batch, n_steps, N_HANDS)``: the time of each step."""


@dataclass(frozen=True)
class Level:
    """What latents are taken relative to, so that a song's colour need not be predicted at all.

    A continuation is drawn relative to its prompt and brought back to the prompt's level: however
    long it runs, its mean and spread stay the prompt's own unless the model means to leave them.
    Source: Kim et al. 2022 (RevIN, reversible instance normalisation).
    """

    mean: np.ndarray
    """``(batch, 1, n_latents)``."""
    spread: np.ndarray
    """``(batch, 1, n_latents)``, more than 0."""

    @classmethod
    def of(cls, style: np.ndarray) -> Self:
        """The level of styles ``(batch, 2 * n_latents)`` of latents of deviation 1."""
        mean, spread = np.split(style[:, None], 2, axis=-1)
        return cls(mean, np.sqrt((spread**2 + _LEAST_VARIANCE) / (1.0 + _LEAST_VARIANCE)))

    def relative(self, latents: np.ndarray) -> np.ndarray:
        """Latents ``(batch, n_steps, n_latents)`` as seen from this level."""
        return ((latents - self.mean) / self.spread).astype(np.float32)

    def absolute(self, latents: np.ndarray) -> np.ndarray:
        """Undo :meth:`relative`."""
        return latents * self.spread + self.mean


# Where latents are not taken relative to anything.
UNMOVED = Level(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))


class SequenceModel(FrameModel):
    """Latents and what is told → GRUs; a subclass adds what predicts the step to come."""

    def __init__(self, config: ModelConfig, n_bins: int, frames_per_second: float):
        self._config = config
        self._frames_per_second = frames_per_second
        self._fitted: Latents | None = None
        self._detail: Detail | None = None
        self._backbone = Backbone(config.backbone)
        self._n_told = 2 * config.latents.n_latents + N_TOLD

    @classmethod
    def build(cls, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        return cls(config, n_bins, frames_per_second)

    @property
    def _latents(self) -> Latents:
        if self._fitted is None:
            raise RuntimeError("prepare() or load() comes first")
        return self._fitted

    def _fit_latents(self, train: Batches) -> None:
        wanted = self._config.latents
        self._fitted = Latents.fit(train.epoch(0), wanted.stack_frames, wanted.n_latents)
        if wanted.detail_units:
            self._detail = Detail.fit(
                train, self._fitted, wanted.detail_units, wanted.detail_epochs
            )

    def _arrays_of_latents(self) -> dict[str, np.ndarray]:
        """All that :meth:`_restore_latents` needs."""
        return self._latents.arrays() | (self._detail.arrays() if self._detail else {})

    def _restore_latents(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._fitted = Latents.from_arrays(arrays)
        self._detail = Detail.from_arrays(arrays, self._fitted.stack_frames)

    def _standardised(self, frames: np.ndarray) -> np.ndarray:
        """Frames → latents ``(batch, n_steps, n_latents)``, each of deviation 1 in training."""
        return self._latents.encode(frames) / self._latents.deviations

    def _level(self, style: np.ndarray) -> Level:
        """What latents of this style are taken relative to."""
        return Level.of(style) if self._config.backbone.relative else UNMOVED

    def _relative(self, frames: np.ndarray) -> np.ndarray:
        """Standardised latents relative to each sequence's own level."""
        latents = self._standardised(frames)
        return self._level(style_of(latents)).relative(latents)

    def _seen(
        self, frames: np.ndarray, n_to_come: int = 0, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Told, Level]:
        """Relative latents of whole steps' frames, what is told beside them, and their level.

        What is told reaches ``n_to_come`` steps beyond the frames. ``rng``: see :func:`style_of`.
        """
        latents = self._standardised(frames)
        style = style_of(latents, rng)
        level = self._level(style)
        told = self._told(frames, style, latents.shape[1] + n_to_come - 1)
        return level.relative(latents), told, level

    def _frames(self, relative: np.ndarray, level: Level) -> np.ndarray:
        """The frames of latents relative to ``level``, with such detail as can be told."""
        return frames_of(level.absolute(relative), self._latents, self._detail)

    def _steps_to_draw(self, n_frames: int) -> int:
        """Steps that hold ``n_frames``, and those after them that their detail is told from.

        Without the latter, a continuation would end otherwise than a longer one goes on.
        """
        n_steps = -(-n_frames // self._latents.stack_frames)
        return n_steps + (CONTEXT_STEPS if self._detail else 0)

    def _inputs_of_told(self) -> tuple[Any, Any]:
        """Keras inputs for ``hands`` and ``constant``."""
        return keras.Input((None, N_HANDS)), keras.Input((self._n_told,))

    def _hidden(self, heard: Any, hands: Any, constant: Any) -> Any:
        """The backbone's states ``(batch, n_steps, units)`` after each step heard."""
        return self._backbone(ops.concatenate([heard, hands], axis=-1), constant)

    def _told(self, frames: np.ndarray, style: np.ndarray, n_steps: int) -> Told:
        """What is told of whole steps' frames and their style; hands from the second step on."""
        wanted, stack = self._config.backbone, self._config.latents.stack_frames
        constant = np.zeros((len(frames), self._n_told), np.float32)
        hands = np.zeros((len(frames), n_steps, N_HANDS), np.float32)
        if wanted.style:
            constant[:, :-N_TOLD] = style
        if wanted.clock:
            clock = Clock.found_in(frames, self._frames_per_second)
            constant[:, -N_TOLD:] = clock.told(self._frames_per_second)
            hands = clock.hands((np.arange(1, 1 + n_steps) + 0.5) * stack - 0.5)
        return Told(constant, hands)

    def _go_on(
        self,
        heard: np.ndarray,
        told: Told,
        as_inputs: Callable[[np.ndarray], np.ndarray],
        draw: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Hear the steps of prompts, then draw one step after another and hear it too.

        ``heard`` (n, n_heard, …) are followed by as many steps as ``told`` has hands for beyond
        them, (n, n_drawn, …). ``as_inputs`` turns a step (n, …) into what the backbone hears,
        ``draw`` a hidden state and the inputs before it into the step that follows.
        """
        backbone, n_heard = self._backbone.stepper(told.constant), heard.shape[1]
        drawn: list[np.ndarray] = []
        for number in range(told.hands.shape[1]):
            inputs = as_inputs(heard[:, number] if number < n_heard else drawn[-1])
            hidden = backbone.step(np.concatenate([inputs, told.hands[:, number]], axis=1))
            if number >= n_heard - 1:
                drawn.append(draw(hidden, inputs))
        return np.stack(drawn, axis=1)


def style_of(latents: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Mean and standard deviation over the steps: ``(batch, n_steps, n)`` → ``(batch, 2n)``.

    With ``rng``, those of a random part of each sequence, one quarter of it or more: a model that
    was told the whole window's would learn to trust it more than a prompt's deserves.
    """
    if rng is None:
        return _mean_and_deviation(latents)
    n_steps = latents.shape[1]
    lengths = rng.integers(max(round(_SHORTEST_STYLE * n_steps), 1), n_steps + 1, len(latents))
    starts = rng.integers(0, n_steps - lengths + 1)
    return np.concatenate(
        [
            _mean_and_deviation(latents[number : number + 1, start : start + length])
            for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
        ]
    )


def _mean_and_deviation(latents: np.ndarray) -> np.ndarray:
    return np.concatenate([latents.mean(axis=1), latents.std(axis=1)], axis=1)
