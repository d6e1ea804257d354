"""Frames ⇄ latents: a few frames at a time, on their principal components.

``stack_frames`` consecutive frames become one step, projected on the directions in which training
frames vary most. Components keep their own variances (they are not whitened), so that distances
between latents are distances between frames; one scale for all makes the mean variance 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np

from soundloom.models.config import LatentsConfig, Shapes
from soundloom.models.principal_components import fit_components


class Latents:
    """``(…, n_frames, n_bins)`` in [0, 1] ⇄ ``(…, n_steps, n_latents)`` float32."""

    def __init__(self, mean: np.ndarray, basis: np.ndarray, stds: np.ndarray):
        self._mean = mean
        """``(stack_frames, n_bins)``: what a step is on average."""
        self._basis = basis
        """``(n_latents, stack_frames * n_bins)``: orthogonal rows, most variance first, scaled."""
        self.stds = stds
        """``(n_latents,)``: std of each latent in training; none is 0."""

    @classmethod
    def fit(cls, windows: Iterable[np.ndarray], stack_frames: int, n_latents: int) -> Self:
        """Principal components of training windows, batches of ``(batch, n_frames, n_bins)``.

        ``n_latents`` is at most ``stack_frames * n_bins``.
        """
        steps = (stacked(batch, stack_frames) for batch in windows)
        rows = (step.reshape(-1, step.shape[-2] * step.shape[-1]) for step in steps)
        found = fit_components(rows, n_latents)
        scale = 1.0 / np.sqrt(max(found.variances.mean(), 1e-12))
        # What never varies cannot be standardised by its std; any will do.
        stds = np.maximum(np.sqrt(found.variances) * scale, 1e-4)
        return cls(
            found.mean.reshape(stack_frames, -1).astype(np.float32),
            (found.basis * scale).astype(np.float32),
            stds.astype(np.float32),
        )

    @property
    def stack_frames(self) -> int:
        """Frames in a step."""
        return len(self._mean)

    @property
    def n_latents(self) -> int:
        """Values in a step's latents."""
        return len(self._basis)

    @property
    def n_bins(self) -> int:
        """Values in a frame."""
        return self._mean.shape[1]

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Whole steps only: frames left over at the end are dropped."""
        steps = stacked(frames, self.stack_frames) - self._mean
        return steps.reshape(*steps.shape[:-2], -1) @ self._basis.T

    def whole_steps(self, frames: np.ndarray) -> np.ndarray:
        """``(…, n_frames, n_bins)`` without what exceeds whole steps at its start.

        Fewer frames than a step holds are preceded by copies of the first.
        """
        n_frames = frames.shape[-2]
        if n_frames < self.stack_frames:
            copies = np.repeat(frames[..., :1, :], self.stack_frames - n_frames, axis=-2)
            return np.concatenate([copies, frames], axis=-2)
        return frames[..., n_frames % self.stack_frames :, :]

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """``(…, n_steps, n_latents)`` → ``(…, n_steps * stack_frames, n_bins)`` in [0, 1]."""
        # Rows are orthogonal and of one length, so the transpose inverts up to that length squared.
        inverse = self._basis / (self._basis[0] @ self._basis[0])
        steps = latents @ inverse
        n_bins = self._mean.shape[1]
        frames = steps.reshape(*steps.shape[:-1], self.stack_frames, n_bins) + self._mean
        frames = frames.reshape(*steps.shape[:-2], -1, n_bins)
        return np.clip(frames, 0.0, 1.0).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        return {"mean": self._mean, "basis": self._basis, "stds": self.stds}

    @staticmethod
    def shapes(config: LatentsConfig, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        stack, n_latents = config.stack_frames, config.n_latents
        return {"mean": (stack, n_bins), "basis": (n_latents, stack * n_bins), "stds": (n_latents,)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild from :meth:`arrays`."""
        return cls(arrays["mean"], arrays["basis"], arrays["stds"])


def stacked(frames: np.ndarray, stack_frames: int) -> np.ndarray:
    """Whole steps: ``(…, n_frames, n_bins)`` → ``(…, n_steps, stack_frames, n_bins)``."""
    n_steps = frames.shape[-2] // stack_frames
    frames = frames[..., : n_steps * stack_frames, :]
    return frames.reshape(*frames.shape[:-2], n_steps, stack_frames, frames.shape[-1])
