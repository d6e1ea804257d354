"""What the models of latents share: latents, instance normalisation, conditioning, a backbone.

Windows become normalised latents and features; the backbone runs over both, and a head, which a
subclass adds, gives a distribution over the next step. A rollout draws one step after another.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import keras
import numpy as np
from keras import ops
from threadpoolctl import threadpool_limits

from soundloom.models.backbone import Backbone
from soundloom.models.base import FrameModel, Progress
from soundloom.models.conditioning import Sequences
from soundloom.models.conditioning.combined import Combined, CombinedFeatures
from soundloom.models.config import ModelConfig, Shapes
from soundloom.models.instance_norm import InstanceNorm, statistics_of
from soundloom.models.latent_space import LatentSpace
from soundloom.models.sections import Styles, Turns, section_steps

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


@dataclass(frozen=True)
class Prepared:
    """A batch of sequences as the network has them."""

    latents: np.ndarray
    """``(batch, n_known, n_latents)``: normalised, not weighted."""
    features: CombinedFeatures
    sequences: Sequences


class StepSampler(Protocol):
    """What draws a step from a state of the backbone."""

    @property
    def uniforms_shape(self) -> tuple[int, ...]:
        """Uniforms that one step of one sequence takes."""

    def inputs(self, steps: np.ndarray) -> np.ndarray:
        """What the backbone is given for steps ``(n, …)``: ``(n, n_inputs)``."""

    def draw(
        self,
        hidden: np.ndarray,
        inputs: np.ndarray,
        uniforms: np.ndarray,
        temperature: float,
        top_p: float,
    ) -> np.ndarray:
        """The step after ``inputs``, given ``hidden`` (n, n_hidden) and ``uniforms`` (n, …)."""


class SequenceModel(FrameModel):
    """Latents and features → GRUs; a subclass adds what predicts the step to come."""

    def __init__(
        self,
        config: ModelConfig,
        frames_per_second: float,
        backbone: Backbone,
        space: LatentSpace,
        conditioning: Combined,
        turns: Turns | None,
    ):
        self._config = config
        self._frames_per_second = frames_per_second
        self._backbone = backbone
        self._space = space
        self._conditioning = conditioning
        self._turns = turns

    def adapted(self, config: ModelConfig, train: Batches) -> Self:
        """The same latents, with a detail and turns that were learned from these recordings."""
        other = copy.copy(self)
        other._config, other._space = config, self._space.adapted(config, train)
        other._turns = self.fit_turns(config, train, self._space)
        return other

    @staticmethod
    def fit_turns(config: ModelConfig, train: Batches, space: LatentSpace) -> Turns | None:
        """The turns that ``config`` asks for."""
        return Turns.fit(train, space, config.turns) if config.turns else None

    @property
    def has_turns(self) -> bool:
        return self._turns is not None

    @abstractmethod
    def _steps_of(self, latents: np.ndarray) -> np.ndarray:
        """Normalised latents ``(…, n_latents)`` as the steps that are drawn, ``(…, n)``."""

    @abstractmethod
    def _latents_of(self, steps: np.ndarray) -> np.ndarray:
        """The normalised latents ``(…, n_latents)`` that steps ``(…, n)`` stand for."""

    @abstractmethod
    def _step_sampler(self) -> StepSampler:
        """The head in NumPy, with its weights of now."""

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
        space = self._space
        # Apart from the steps' numbers, or a longer continuation would not begin as a shorter one.
        texture_rngs, section_rngs = zip(*(rng.spawn(2) for rng in rngs), strict=True)
        with threadpool_limits(1):
            whole = space.latents.whole_steps(prompts)
            prepared = self._prepared(whole, space.n_steps_for(n_frames))
            styles = self._styles(prepared.sequences, section_seconds, section_rngs)
            latents = self._rollout(prepared, styles, temperature, top_p, rngs, progress)
            return space.decode(latents, texture_rngs)[:, :n_frames]

    def arrays(self) -> dict[str, np.ndarray]:
        of_turns = self._turns.arrays() if self._turns else {}
        return self._space.arrays() | self._conditioning.arrays() | of_turns

    @classmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        shapes = LatentSpace.shapes(config, n_bins) | Combined.shapes(config.conditioning, n_bins)
        if config.turns:
            shapes |= Turns.shapes(config.turns, config.latents.n_latents)
        return shapes

    @staticmethod
    def turns_from_arrays(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Turns | None:
        """Of :meth:`arrays`, where ``config`` asks for turns."""
        return Turns.from_arrays(arrays) if config.turns else None

    def _prepared(
        self,
        frames: np.ndarray,
        n_to_come: int = 0,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Prepared:
        """Latents of whole steps' frames, and features up to ``n_to_come`` steps beyond them."""
        if training and rng is None:
            raise ValueError("training examples need an rng")
        latents = self._space.encode(frames)  # (batch, n_known, n_latents)
        statistics = statistics_of(latents, rng if training else None)
        normalised = InstanceNorm.of(statistics).normalise(latents)
        sequences = Sequences(
            frames=frames,
            latents=self._space.variance_weighted(normalised),
            statistics=statistics,
            n_steps=latents.shape[1] + n_to_come - 1,
            stack_frames=self._config.latents.stack_frames,
            frames_per_second=self._frames_per_second,
        )
        features = self._conditioning.features(sequences, training=training, rng=rng)
        return Prepared(normalised, features, sequences)

    def _styles(
        self,
        sequences: Sequences,
        section_seconds: float,
        rngs: Sequence[np.random.Generator],
    ) -> Styles:
        """The style of each step: the prompt's, or what sections of about that length have."""
        n_known, n_steps = sequences.latents.shape[1], sequences.n_steps + 1
        if not self._turns or not section_seconds:
            return Styles.of_prompts(sequences.statistics, n_steps)
        wanted = section_seconds * self._frames_per_second / sequences.stack_frames
        lengths = section_steps(sequences.bar_lags[:, 0], wanted)
        weights = self._space.variance_weighted(np.ones(self._config.latents.n_latents))
        return self._turns.styles(sequences.statistics, weights, lengths, n_known, n_steps, rngs)

    def _trained_steps(
        self, latents: np.ndarray, training: bool, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Numbers ``(batch, k)`` of the steps that are inputs: all of a window but the last.

        In training those of a random crop, where ``backbone.crop_frames`` asks so.
        """
        n_windows, n_inputs = len(latents), latents.shape[1] - 1
        n_crop = self._config.backbone.crop_frames // self._config.latents.stack_frames
        if not training or rng is None or not 0 < n_crop < n_inputs:
            return np.tile(np.arange(n_inputs), (n_windows, 1))
        return rng.integers(0, n_inputs - n_crop + 1, (n_windows, 1)) + np.arange(n_crop)

    def _rollout(
        self,
        prepared: Prepared,
        styles: Styles,
        temperature: float,
        top_p: float,
        rngs: Sequence[np.random.Generator],
        progress: Progress,
    ) -> np.ndarray:
        """Run over the steps of prompts, then draw one step after another as the next input.

        As many are drawn as features are scheduled for beyond the prompts: standardised latents
        ``(n, n_drawn, n_latents)``. Where the style of the next step is another, all that the
        network is given is normalised anew.
        """
        backbone, sampler = self._backbone.sampler(), self._step_sampler()
        features, prompt = prepared.features, self._steps_of(prepared.latents)
        n_sequences, n_known = prompt.shape[:2]
        n_steps = features.scheduled.shape[1]
        state = backbone.start(features.constant)
        offsets = [backbone.start(one).offset for one in self._constants(prepared, styles)]
        norm = styles.norm(0)
        shape = (n_sequences, n_steps + 1, self._config.latents.n_latents)
        standardised, weighted = (np.zeros(shape, np.float32) for _ in range(2))
        standardised[:, :n_known] = norm.denormalise(prepared.latents)
        step = prompt[:, 0]
        for number in progress(range(n_steps)):
            if number < n_known:
                step = prompt[:, number]
            turned = styles.of_steps[:, number + 1] != styles.of_steps[:, number]
            if turned.any():
                norm = styles.norm(number + 1)
                known = norm.normalise(standardised)
                step = np.where(turned[:, None], self._steps_of(known[:, number]), step)
                weighted[turned] = self._space.variance_weighted(known[turned])
                state = state._replace(offset=styles.at(number + 1, offsets))
            inputs = sampler.inputs(step)  # (n, n_inputs)
            weighted[:, number] = self._space.variance_weighted(self._latents_of(step))
            here = features.at(weighted, np.full((n_sequences, 1), number))[:, 0]
            hidden, state = backbone.step(np.concatenate([inputs, here], axis=1), state)
            if number >= n_known - 1:
                uniforms = np.stack([rng.random(sampler.uniforms_shape) for rng in rngs])
                step = sampler.draw(hidden, inputs, uniforms, temperature, top_p)
                drawn = norm.denormalise(self._latents_of(step)[:, None])
                standardised[:, number + 1 : number + 2] = drawn
        return standardised[:, n_known:]

    def _constants(self, prepared: Prepared, styles: Styles) -> Iterator[np.ndarray]:
        """The constant features of all sequences in each of their styles."""
        yield prepared.features.constant
        for statistics in np.moveaxis(styles.statistics, 1, 0)[1:]:
            yield self._conditioning.constant(prepared.sequences.in_style(statistics))


@dataclass(frozen=True)
class BackboneInputs:
    """Keras inputs of a network, and the backbone's states ``(batch, n_steps, units)`` on them."""

    at_steps: Any
    """``(batch, n_steps, n_scheduled + n_looked_up)``."""
    constant: Any
    """``(batch, n_constant)``."""

    @classmethod
    def for_config(cls, config: ModelConfig) -> BackboneInputs:
        """Inputs for the features that ``config.conditioning`` names."""
        widths = Combined.widths(config.conditioning, config.latents.n_latents)
        return cls(
            keras.Input((None, widths.scheduled + widths.looked_up)),
            keras.Input((widths.constant,)),
        )

    def hidden(self, backbone: Backbone, steps: Any) -> Any:
        """Run the backbone over ``steps`` (batch, n_steps, n) and the features."""
        return backbone(ops.concatenate([steps, self.at_steps], axis=-1), self.constant)


def at(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Of values ``(batch, n_steps, n)`` those at ``steps`` (batch, k): ``(batch, k, n)``.

    With the steps that are inputs, ``steps + 1`` are those of the targets.
    """
    return np.take_along_axis(values, steps[..., None], axis=1)


def normalised(space: LatentSpace, windows: np.ndarray) -> np.ndarray:
    """Latents of windows, ``(batch, n_steps, n_latents)``, normalised by all of each."""
    latents = space.encode(windows)
    return InstanceNorm.of(statistics_of(latents)).normalise(latents)
