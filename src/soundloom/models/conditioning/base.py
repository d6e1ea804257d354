"""What a kind of conditioning is: fitted on training windows, then features of sequences.

Features of step ``t`` are inputs of the backbone at ``t``, which is about to predict step
``t + 1``: they are about that step.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from soundloom.models.conditioning.tempo import Tempo, find_bar_lags
from soundloom.models.config import Shapes

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


class Widths(NamedTuple):
    """How many values of each sort a kind of conditioning has."""

    constant: int = 0
    scheduled: int = 0
    looked_up: int = 0


@dataclass(frozen=True)
class Sequences:
    """Windows, or prompts and the steps to be drawn after them: what features are asked of."""

    frames: np.ndarray
    """``(batch, n_frames, n_bins)`` in [0, 1], of the known steps."""
    latents: np.ndarray
    """``(batch, n_known, n_latents)``: normalised, and weighted by how much they vary."""
    statistics: np.ndarray
    """``(batch, 2 * n_latents)``: mean and std that the latents were normalised by."""
    n_steps: int
    """Steps that features are asked of: ``n_known - 1``, and more where steps are to be drawn."""
    stack_frames: int
    frames_per_second: float

    @functools.cached_property
    def tempo(self) -> Tempo:
        """Found once, for all kinds that ask for it."""
        return Tempo.found_in(self.frames, self.frames_per_second)

    @functools.cached_property
    def bar_lags(self) -> np.ndarray:
        """Steps that one, two and four bars last, ``(batch, 3)`` integers."""
        return find_bar_lags(self.latents, self.tempo.beats_per_frame * self.stack_frames)

    def in_style(self, statistics: np.ndarray) -> Self:
        """The same with other ``statistics``; what was found in them is not looked for again."""
        other = replace(self, statistics=statistics)
        vars(other).update(
            {name: found for name, found in vars(self).items() if name in ("tempo", "bar_lags")}
        )
        return other


@dataclass(frozen=True)
class Features:
    """The features of a batch of sequences; each sort is left out where a kind has none of it."""

    constant: np.ndarray | None = None
    """``(batch, widths.constant)``: the same at every step."""
    scheduled: np.ndarray | None = None
    """``(batch, n_steps, widths.scheduled)``: known in advance for every step."""
    look_up: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """Of latents ``(batch, n, n_latents)``, like those of :class:`Sequences`, and numbers of steps
    ``(batch, k)``, up to which they are known: ``(batch, k, widths.looked_up)``."""


class Conditioning(ABC):
    """One kind of conditioning, fitted."""

    @classmethod
    @abstractmethod
    def widths(cls, n_latents: int) -> Widths:
        """How many values it will have, known before it is fitted."""

    @classmethod
    def fit(cls, train: Batches, stack_frames: int) -> Self:
        """Learn what it needs from training windows; most need nothing."""
        return cls()

    @abstractmethod
    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Features:
        """The features of sequences; in ``training`` some may be withheld or moved, by ``rng``."""

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        return {}

    @classmethod
    def shapes(cls, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        return {}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], stack_frames: int) -> Self:
        """Rebuild from :meth:`arrays`, among which others may be."""
        return cls()
