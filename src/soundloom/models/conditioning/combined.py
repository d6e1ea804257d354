"""Several kinds of conditioning as one: their features side by side, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from soundloom.models.conditioning import KINDS, Conditioning, Features, Sequences, Widths
from soundloom.models.config import Shapes

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches


@dataclass(frozen=True)
class CombinedFeatures:
    """The features of a batch of sequences, of all kinds."""

    constant: np.ndarray
    """``(batch, n_constant)``."""
    scheduled: np.ndarray
    """``(batch, n_steps, n_scheduled)``."""
    look_ups: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...]

    def at(self, latents: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Features of ``steps`` (batch, k): those known in advance, then those looked up.

        ``latents`` (batch, n, n_latents), normalised and weighted, are known up to each step. →
        ``(batch, k, n_scheduled + n_looked_up)``.
        """
        scheduled = np.take_along_axis(self.scheduled, steps[..., None], axis=1)
        looked_up = [look_up(latents, steps) for look_up in self.look_ups]
        return np.concatenate([scheduled, *looked_up], axis=-1)


class Combined:
    """The kinds that ``model.conditioning`` names, fitted."""

    def __init__(self, kinds: Sequence[Conditioning]):
        self._kinds = kinds

    @classmethod
    def fit(cls, names: Sequence[str], train: Batches, stack_frames: int) -> Self:
        """Fit each kind on training windows."""
        return cls([KINDS[name].fit(train, stack_frames) for name in _in_order(names)])

    @staticmethod
    def widths(names: Sequence[str], n_latents: int) -> Widths:
        """How many values all kinds have together."""
        all_widths = [Widths(), *(KINDS[name].widths(n_latents) for name in names)]
        return Widths(*(sum(sizes) for sizes in zip(*all_widths, strict=True)))

    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> CombinedFeatures:
        """The features of sequences; see :meth:`Conditioning.features`."""
        found: list[Features] = [
            kind.features(sequences, training=training, rng=rng) for kind in self._kinds
        ]
        none = np.zeros((len(sequences.frames), sequences.n_steps, 0), np.float32)
        return CombinedFeatures(
            _constant(sequences, found),
            np.concatenate([none, *_given(one.scheduled for one in found)], axis=-1),
            tuple(one.look_up for one in found if one.look_up is not None),
        )

    def constant(self, sequences: Sequences) -> np.ndarray:
        """Of :meth:`features` those alone that are constant, at the cost of the kinds with some."""
        n_latents = sequences.latents.shape[-1]
        kinds = [kind for kind in self._kinds if kind.widths(n_latents).constant]
        return _constant(sequences, [kind.features(sequences) for kind in kinds])

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        return {name: array for kind in self._kinds for name, array in kind.arrays().items()}

    @staticmethod
    def shapes(names: Sequence[str], n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        kinds = [KINDS[name].shapes(n_bins) for name in names]
        return {name: shape for shapes in kinds for name, shape in shapes.items()}

    @classmethod
    def from_arrays(
        cls, names: Sequence[str], arrays: Mapping[str, np.ndarray], stack_frames: int
    ) -> Self:
        """Rebuild from :meth:`arrays`, among which others may be."""
        return cls([KINDS[name].from_arrays(arrays, stack_frames) for name in _in_order(names)])


def _in_order(names: Sequence[str]) -> list[str]:
    """In the order of ``KINDS``, whatever order params.yaml names them in."""
    return [name for name in KINDS if name in names]


def _constant(sequences: Sequences, found: Iterable[Features]) -> np.ndarray:
    none = np.zeros((len(sequences.frames), 0), np.float32)
    return np.concatenate([none, *_given(one.constant for one in found)], axis=-1)


def _given(arrays: Iterable[np.ndarray | None]) -> list[np.ndarray]:
    return [array for array in arrays if array is not None]
