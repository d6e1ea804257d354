"""What the models of latents share: latents, GRUs that remember, and what these are told.

Beside the past of latents a model is told the style of what it continues (mean and spread of its
latents) and, at every step, the time of the step to come on the music's own clock; if asked for,
what was played some bars before it, and which harmonics are to sound, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from soundloom.models.backbone import Backbone
from soundloom.models.base import FrameModel
from soundloom.models.clock import N_HANDS, N_TOLD, Clock
from soundloom.models.config import ModelConfig
from soundloom.models.detail import CONTEXT_STEPS, Detail, frames_of
from soundloom.models.latents import Latents
from soundloom.models.plan import N_TOLD_OF_PLAN, Plan, looped, told_of_plan
from soundloom.models.recall import BARS, NEVER, find_lags, n_recalled, recalled
from soundloom.pairs.windows import Batches

# The part of a window whose style is told in training is at least this share of it.
_SHORTEST_STYLE = 0.25
# Added to the variances that latents are taken relative to: what hardly moved in a prompt of a few
# seconds may do so after it.
_LEAST_VARIANCE = 0.05
# Share of the lags withheld in training: a model that could rely on them would only repeat itself.
_WITHHELD = 0.15


@dataclass(frozen=True)
class Told:
    """What a model is told of windows or prompts beside their latents."""

    constant: np.ndarray
    """``(batch, n_told)``: the style, and what is constant of the clock."""
    hands: np.ndarray
    """``(batch, n_steps, N_HANDS)``: the time of each step."""
    plan: np.ndarray
    """``(batch, n_steps, N_TOLD_OF_PLAN)``: the harmonics of each step; of width 0 if not asked."""
    lags: np.ndarray
    """``(batch, n_lags)``: how many steps before the one to come it is worth looking."""


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
        self._plan: Plan | None = None
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
                train,
                self._fitted,
                wanted.detail_units,
                wanted.detail_epochs,
                gain=wanted.detail_gain,
            )
        if self._config.backbone.plan:
            self._plan = Plan.fit(train.epoch(0), wanted.stack_frames)

    def _arrays_of_latents(self) -> dict[str, np.ndarray]:
        """All that :meth:`_restore_latents` needs."""
        arrays = self._latents.arrays()
        for part in (self._detail, self._plan):
            if part:
                arrays |= part.arrays()
        return arrays

    def _restore_latents(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._fitted = Latents.from_arrays(arrays)
        self._detail = Detail.from_arrays(arrays, self._fitted.stack_frames)
        self._plan = Plan.from_arrays(arrays, self._fitted.stack_frames)

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
        relative = level.relative(latents)
        told = self._told(frames, style, relative, latents.shape[1] + n_to_come - 1, rng)
        return relative, told, level

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
        """Keras inputs for what is told at each step, and for ``constant``."""
        n_at_steps = N_HANDS
        if self._config.backbone.plan:
            n_at_steps += N_TOLD_OF_PLAN
        if self._config.backbone.recall:
            n_at_steps += n_recalled(self._config.latents.n_latents)
        return keras.Input((None, n_at_steps)), keras.Input((self._n_told,))

    def _told_at(self, weighted: np.ndarray, told: Told, steps: np.ndarray) -> np.ndarray:
        """What is told at ``steps`` (batch, k) of latents, :meth:`_weighted`, known until there."""
        told_here = [at(told.hands, steps), at(told.plan, steps)]
        if self._config.backbone.recall:
            told_here.append(recalled(weighted, told.lags, steps))
        return np.concatenate(told_here, axis=-1)

    def _weighted(self, latents: np.ndarray) -> np.ndarray:
        """Latents of deviation 1 by how much they vary: the last few are little more than noise."""
        return latents * (self._latents.deviations / self._latents.deviations.mean())

    def _trained_steps(
        self, latents: np.ndarray, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Numbers ``(batch, k)`` of the steps to be heard of each window, all but the last.

        With ``rng``, in training, those of a random crop where ``backbone.crop_frames`` asks so.
        """
        n_windows, n_heard = len(latents), latents.shape[1] - 1
        n_crop = self._config.backbone.crop_frames // self._latents.stack_frames
        if rng is None or not 0 < n_crop < n_heard:
            return np.tile(np.arange(n_heard), (n_windows, 1))
        return rng.integers(0, n_heard - n_crop + 1, (n_windows, 1)) + np.arange(n_crop)

    def _hidden(self, heard: Any, told_at_steps: Any, constant: Any) -> Any:
        """The backbone's states ``(batch, n_steps, units)`` after each step heard."""
        return self._backbone(ops.concatenate([heard, told_at_steps], axis=-1), constant)

    def _told(
        self,
        frames: np.ndarray,
        style: np.ndarray,
        relative: np.ndarray,
        n_steps: int,
        rng: np.random.Generator | None,
    ) -> Told:
        """What is told of whole steps' frames, their style and relative latents.

        Hands and plan are those from the second step on. With ``rng``, some lags are withheld, and
        the plan as :func:`told_of_plan` says.
        """
        wanted, stack = self._config.backbone, self._config.latents.stack_frames
        constant = np.zeros((len(frames), self._n_told), np.float32)
        hands = np.zeros((len(frames), n_steps, N_HANDS), np.float32)
        if wanted.style:
            constant[:, :-N_TOLD] = style
        lags = np.full((len(frames), len(BARS)), NEVER)
        plan = np.zeros((len(frames), n_steps, 0), np.float32)
        if wanted.clock or wanted.recall or wanted.plan:
            clock = Clock.found_in(frames, self._frames_per_second)
        if wanted.clock:
            constant[:, -N_TOLD:] = clock.told(self._frames_per_second)
            hands = clock.hands((np.arange(1, 1 + n_steps) + 0.5) * stack - 0.5)
        if wanted.recall or wanted.plan:
            found = find_lags(self._weighted(relative), clock.beats_per_frame * stack)
        if wanted.recall:
            lags = found
            if rng is not None:
                lags = np.where(rng.random(lags.shape) < _WITHHELD, NEVER, lags)
        if self._plan:
            places = looped(relative.shape[1], n_steps + 1, found)[:, 1:]
            plan = told_of_plan(self._plan.of(frames), places, rng)
        return Told(constant, hands, plan, lags)

    def _go_on(
        self,
        heard: np.ndarray,
        told: Told,
        as_latents: Callable[[np.ndarray], np.ndarray],
        as_inputs: Callable[[np.ndarray], np.ndarray],
        draw: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Hear the steps of prompts, then draw one step after another and hear it too.

        ``heard`` (n, n_heard, …) are followed by as many steps as ``told`` has hands for beyond
        them, (n, n_drawn, …). ``as_latents`` turns a step (n, …) into its relative latents,
        ``as_inputs`` into what the backbone hears, ``draw`` a hidden state and the inputs before it
        into the step that follows.
        """
        backbone, n_heard = self._backbone.stepper(told.constant), heard.shape[1]
        drawn: list[np.ndarray] = []
        n_steps = told.hands.shape[1]
        known = np.zeros((len(heard), n_steps, self._latents.n_latents), np.float32)
        for number in range(n_steps):
            step = heard[:, number] if number < n_heard else drawn[-1]
            inputs, known[:, number] = as_inputs(step), self._weighted(as_latents(step))
            told_here = self._told_at(known, told, np.full((len(heard), 1), number))[:, 0]
            hidden = backbone.step(np.concatenate([inputs, told_here], axis=1))
            if number >= n_heard - 1:
                drawn.append(draw(hidden, inputs))
        return np.stack(drawn, axis=1)


def at(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Of values ``(batch, n_steps, n)`` those at ``steps`` (batch, k): ``(batch, k, n)``."""
    return np.take_along_axis(values, steps[..., None], axis=1)


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
