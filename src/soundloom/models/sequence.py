"""What the models of latents share: latents, instance normalisation, conditioning, a backbone.

Windows become normalised latents and features; the backbone runs over both, and a head, which a
subclass adds, gives a distribution over the next step. A rollout draws one step after another.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
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

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


@dataclass(frozen=True)
class Prepared:
    """A batch of sequences as the network has them."""

    latents: np.ndarray
    """``(batch, n_known, n_latents)``: normalised, not weighted."""
    features: CombinedFeatures
    norm: InstanceNorm


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
    ):
        self._config = config
        self._frames_per_second = frames_per_second
        self._backbone = backbone
        self._space = space
        self._conditioning = conditioning

    def adapted(self, config: ModelConfig, train: Batches) -> Self:
        """The same latents, with a detail that was learned from these recordings."""
        other = copy.copy(self)
        other._config, other._space = config, self._space.adapted(config, train)
        return other

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
        rngs: Sequence[np.random.Generator],
        progress: Progress = iter,
    ) -> np.ndarray:
        space = self._space
        # Apart from the steps' numbers, or a longer continuation would not begin as a shorter one.
        texture_rngs = [rng.spawn(1)[0] for rng in rngs]
        with threadpool_limits(1):
            whole = space.latents.whole_steps(prompts)
            prepared = self._prepared(whole, space.n_steps_for(n_frames))
            drawn = self._rollout(prepared, temperature, top_p, rngs, progress)
            latents = prepared.norm.denormalise(self._latents_of(drawn))
            return space.decode(latents, texture_rngs)[:, :n_frames]

    def arrays(self) -> dict[str, np.ndarray]:
        return self._space.arrays() | self._conditioning.arrays()

    @classmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        of_space = LatentSpace.shapes(config, n_bins)
        return of_space | Combined.shapes(config.conditioning, n_bins)

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
        norm = InstanceNorm.of(statistics)
        normalised = norm.normalise(latents)
        sequences = Sequences(
            frames=frames,
            latents=self._space.variance_weighted(normalised),
            statistics=statistics,
            n_steps=latents.shape[1] + n_to_come - 1,
            stack_frames=self._config.latents.stack_frames,
            frames_per_second=self._frames_per_second,
        )
        features = self._conditioning.features(sequences, training=training, rng=rng)
        return Prepared(normalised, features, norm)

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
        temperature: float,
        top_p: float,
        rngs: Sequence[np.random.Generator],
        progress: Progress,
    ) -> np.ndarray:
        """Run over the steps of prompts, then draw one step after another as the next input.

        As many are drawn as features are scheduled for beyond the prompts: (n, n_drawn, …), steps
        as :meth:`_steps_of` gives them.
        """
        backbone, sampler = self._backbone.sampler(), self._step_sampler()
        features, prompt = prepared.features, self._steps_of(prepared.latents)
        n_sequences, n_known = prompt.shape[:2]
        state = backbone.start(features.constant)
        n_steps = features.scheduled.shape[1]
        weighted = np.zeros((n_sequences, n_steps, self._config.latents.n_latents), np.float32)
        drawn: list[np.ndarray] = []
        for number in progress(range(n_steps)):
            step = prompt[:, number] if number < n_known else drawn[-1]
            inputs = sampler.inputs(step)  # (n, n_inputs)
            weighted[:, number] = self._space.variance_weighted(self._latents_of(step))
            here = features.at(weighted, np.full((n_sequences, 1), number))[:, 0]
            hidden, state = backbone.step(np.concatenate([inputs, here], axis=1), state)
            if number >= n_known - 1:
                uniforms = np.stack([rng.random(sampler.uniforms_shape) for rng in rngs])
                drawn.append(sampler.draw(hidden, inputs, uniforms, temperature, top_p))
        return np.stack(drawn, axis=1)


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
