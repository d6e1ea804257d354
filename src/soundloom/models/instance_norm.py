"""Instance normalisation: latents relative to the mean and std of their own sequence.

A song's colour then need not be predicted at all. A continuation is drawn normalised by its prompt
and brought back to the prompt's own mean and std: however long it runs, it keeps them unless the
model means to leave them. Source: Kim et al. 2022 (RevIN, reversible instance normalisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

# Added to the variances that latents are divided by: what hardly moved in a prompt of a few seconds
# may do so after it.
_LEAST_VARIANCE = 0.05
# The part of a window that statistics are of in training is at least this share of it.
_SHORTEST_SHARE = 0.25


@dataclass(frozen=True)
class InstanceNorm:
    """The normalisation of a batch of sequences of latents."""

    mean: np.ndarray
    """``(batch, 1, n_latents)``."""
    std: np.ndarray
    """``(batch, 1, n_latents)``, more than 0."""

    @classmethod
    def of(cls, statistics: np.ndarray) -> Self:
        """By :func:`statistics_of` standardised latents, ``(batch, 2 * n_latents)``."""
        mean, std = np.split(statistics[:, None], 2, axis=-1)
        return cls(mean, np.sqrt((std**2 + _LEAST_VARIANCE) / (1.0 + _LEAST_VARIANCE)))

    def normalise(self, latents: np.ndarray) -> np.ndarray:
        """``(batch, n_steps, n_latents)``, float32."""
        return ((latents - self.mean) / self.std).astype(np.float32)

    def denormalise(self, latents: np.ndarray) -> np.ndarray:
        """Undo :meth:`normalise`."""
        return latents * self.std + self.mean


def statistics_of(latents: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Mean and std over the steps: ``(batch, n_steps, n_latents)`` → ``(batch, 2 * n_latents)``.

    With ``rng``, of a random part of each sequence, one quarter of it or more: a model trained on
    the whole windows' would learn to trust them more than a prompt's deserve.
    """
    if rng is None:
        return _mean_and_std(latents)
    n_steps = latents.shape[1]
    lengths = rng.integers(max(round(_SHORTEST_SHARE * n_steps), 1), n_steps + 1, len(latents))
    starts = rng.integers(0, n_steps - lengths + 1)
    return np.concatenate(
        [
            _mean_and_std(latents[number : number + 1, start : start + length])
            for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
        ]
    )


def _mean_and_std(latents: np.ndarray) -> np.ndarray:
    return np.concatenate([latents.mean(axis=1), latents.std(axis=1)], axis=1)
