"""Frames ⇄ standardised latents, with what latents leave out: predicted, drawn, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from soundloom.models.config import ModelConfig, Shapes
from soundloom.models.detail import CONTEXT_STEPS, Detail
from soundloom.models.latents import Latents
from soundloom.models.texture import Texture

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


# Share of the texture's movement around its mean. Rock that nothing was learned from, through a
# base's latents and back, frame change of the real: 0.94 at 0.7, 1.03 at 0.85, 1.13 at 1.0, with
# distances alike.
_MOVEMENT = np.float32(0.75)


class LatentSpace:
    """``(batch, n_frames, n_bins)`` in [0, 1] ⇄ ``(batch, n_steps, n_latents)`` of std 1."""

    def __init__(self, latents: Latents, detail: Detail | None, texture: Texture | None = None):
        self.latents = latents
        self._detail, self._texture = detail, texture

    @classmethod
    def fit(cls, train: Batches, config: ModelConfig) -> Self:
        """Principal components of training windows, and the network of what they leave out."""
        wanted = config.latents
        latents = Latents.fit(train.epoch(0), wanted.stack_frames, wanted.n_latents)
        detail = texture = None
        if wanted.detail_units:
            detail = Detail.fit(train, latents, wanted.detail_units, wanted.detail_epochs)
        if config.texture.units:
            texture = Texture.fit(train, latents, config.texture)
        return cls(latents, detail, texture)

    def adapted(self, config: ModelConfig, train: Batches) -> Self:
        """The same latents, with the detail that ``config`` asks for, learned from ``train``."""
        wanted, detail = config.latents, None
        if wanted.detail_units:
            detail = Detail.fit(train, self.latents, wanted.detail_units, wanted.detail_epochs)
        return type(self)(self.latents, detail, self._texture)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Whole steps only: frames left over at the end are dropped."""
        return self.latents.encode(frames) / self.latents.stds

    def decode(self, standardised: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """Float32 frames in [0, 1]; the texture of each sequence is drawn by one of ``rngs``."""
        frames = self.latents.decode(standardised * self.latents.stds)
        if self._texture:
            mean = self._texture.mean(standardised)
            frames = frames + _MOVEMENT * (self._texture(standardised, rngs) - mean)
            # A detail was learned from these very recordings, the texture perhaps from others.
            frames = frames if self._detail else frames + mean
        if self._detail:
            frames = frames + self._detail(standardised)
        return np.clip(frames, 0.0, 1.0).astype(np.float32)

    def variance_weighted(self, standardised: np.ndarray) -> np.ndarray:
        """Latents by how much they vary: the last few are little more than noise."""
        return standardised * (self.latents.stds / self.latents.stds.mean())

    def n_steps_for(self, n_frames: int) -> int:
        """Steps that hold ``n_frames``, and those after them that their detail is predicted from.

        Without the latter, a continuation would end otherwise than a longer one goes on.
        """
        n_steps = -(-n_frames // self.latents.stack_frames)
        return n_steps + (CONTEXT_STEPS if self._detail else 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        of_detail = self._detail.arrays() if self._detail else {}
        return self.latents.arrays() | of_detail | (self._texture.arrays() if self._texture else {})

    @staticmethod
    def shapes(config: ModelConfig, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        wanted = config.latents
        shapes = Latents.shapes(wanted, n_bins)
        if wanted.detail_units:
            shapes |= Detail.shapes(wanted, n_bins)
        if config.texture.units:
            n_values = wanted.stack_frames * n_bins
            shapes |= Texture.shapes(wanted.n_latents, n_values, config.texture)
        return shapes

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild from :meth:`arrays`."""
        latents = Latents.from_arrays(arrays)
        stack = latents.stack_frames
        detail = Detail.from_arrays(arrays, stack) if config.latents.detail_units else None
        texture = Texture.from_arrays(arrays, stack) if config.texture.units else None
        return cls(latents, detail, texture)
