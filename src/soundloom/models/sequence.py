"""What the models of latents share: latents, instance normalisation, conditioning, a backbone.

Windows become normalised latents and features; the backbone runs over both, and a head, which a
subclass adds, gives a distribution over the next step. A rollout draws one step after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from soundloom.models.backbone import Backbone
from soundloom.models.base import FrameModel
from soundloom.models.conditioning import Sequences
from soundloom.models.conditioning.combined import Combined, CombinedFeatures
from soundloom.models.config import ModelConfig
from soundloom.models.instance_norm import InstanceNorm, statistics_of
from soundloom.models.latent_space import LatentSpace


@dataclass(frozen=True)
class Prepared:
    """A batch of sequences as the network has them."""

    latents: np.ndarray
    """``(batch, n_known, n_latents)``: normalised, not weighted."""
    features: CombinedFeatures
    norm: InstanceNorm


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

    def arrays(self) -> dict[str, np.ndarray]:
        return self._space.arrays() | self._conditioning.arrays()

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
        prompt: np.ndarray,
        features: CombinedFeatures,
        *,
        as_latents: Callable[[np.ndarray], np.ndarray],
        as_inputs: Callable[[np.ndarray], np.ndarray],
        draw: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Run over the steps of prompts, then draw one step after another as the next input.

        ``prompt`` (n, n_known, …) is followed by as many steps as ``features`` are scheduled for
        beyond it, (n, n_drawn, …). ``as_latents`` turns a step (n, …) into normalised latents,
        ``as_inputs`` into inputs of the backbone, ``draw`` a hidden state and the inputs before it
        into the step that follows.
        """
        backbone, n_known = self._backbone.sampler(), prompt.shape[1]
        state = backbone.start(features.constant)
        n_steps = features.scheduled.shape[1]
        n_latents = self._config.latents.n_latents
        weighted = np.zeros((len(prompt), n_steps, n_latents), np.float32)
        drawn: list[np.ndarray] = []
        for number in range(n_steps):
            step = prompt[:, number] if number < n_known else drawn[-1]
            inputs = as_inputs(step)
            weighted[:, number] = self._space.variance_weighted(as_latents(step))
            here = features.at(weighted, np.full((len(prompt), 1), number))[:, 0]
            hidden, state = backbone.step(np.concatenate([inputs, here], axis=1), state)
            if number >= n_known - 1:
                drawn.append(draw(hidden, inputs))
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
    """Of values ``(batch, n_steps, n)`` those at ``steps`` (batch, k): ``(batch, k, n)``."""
    return np.take_along_axis(values, steps[..., None], axis=1)


def normalised(space: LatentSpace, windows: np.ndarray) -> np.ndarray:
    """Latents of windows, ``(batch, n_steps, n_latents)``, normalised by all of each."""
    latents = space.encode(windows)
    return InstanceNorm.of(statistics_of(latents)).normalise(latents)
