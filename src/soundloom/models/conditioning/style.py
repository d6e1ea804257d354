"""Style: the mean and std of a sequence's latents, the same at every step."""

from __future__ import annotations

import numpy as np

from soundloom.models.conditioning.base import Conditioning, Features, Sequences, Widths


class Style(Conditioning):
    """The statistics that instance normalisation takes away, as inputs."""

    @classmethod
    def widths(cls, n_latents: int) -> Widths:
        return Widths(constant=2 * n_latents)

    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Features:
        return Features(constant=sequences.statistics.astype(np.float32))
