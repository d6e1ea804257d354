"""Frames ⇄ standardised latents, with the detail that can be predicted from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from soundloom.models.config import LatentsConfig, Shapes
from soundloom.models.detail import CONTEXT_STEPS, Detail
from soundloom.models.latents import Latents

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


class LatentSpace:
    """``(…, n_frames, n_bins)`` in [0, 1] ⇄ ``(…, n_steps, n_latents)`` of std 1 in training."""

    def __init__(self, latents: Latents, detail: Detail | None):
        self.latents = latents
        self._detail = detail

    @classmethod
    def fit(cls, train: Batches, config: LatentsConfig) -> Self:
        """Principal components of training windows, and the network of their detail."""
        latents = Latents.fit(train.epoch(0), config.stack_frames, config.n_latents)
        if not config.detail_units:
            return cls(latents, None)
        return cls(latents, Detail.fit(train, latents, config.detail_units, config.detail_epochs))

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Whole steps only: frames left over at the end are dropped."""
        return self.latents.encode(frames) / self.latents.stds

    def decode(self, standardised: np.ndarray) -> np.ndarray:
        """Frames in [0, 1], float32."""
        frames = self.latents.decode(standardised * self.latents.stds)
        if self._detail:
            frames = np.clip(frames + self._detail(standardised), 0.0, 1.0)
        return frames.astype(np.float32)

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
        return self.latents.arrays() | (self._detail.arrays() if self._detail else {})

    @staticmethod
    def shapes(config: LatentsConfig, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        of_detail = Detail.shapes(config, n_bins) if config.detail_units else {}
        return Latents.shapes(config, n_bins) | of_detail

    @classmethod
    def from_arrays(cls, config: LatentsConfig, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild from :meth:`arrays`."""
        latents = Latents.from_arrays(arrays)
        if not config.detail_units:
            return cls(latents, None)
        return cls(latents, Detail.from_arrays(arrays, latents.stack_frames))
