"""Sections: a continuation that goes somewhere else after some bars, and comes back.

Normalised by its prompt, a continuation stays in the prompt's section for ever. So on a bar line
its style turns: means and stds of its latents change as they do at a turn of the recordings that
the model learned from. Later it comes back, and turns again, otherwise. Only the style is given;
harmony plan and clock go on, and the model finds its own way there: windows normalised by a part of
them, which may be another section than the one at hand, are what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from soundloom.models.config import Shapes
from soundloom.models.instance_norm import InstanceNorm, statistics_of

if TYPE_CHECKING:
    from soundloom.models.latent_space import LatentSpace
    from soundloom.pairs.windows import Batches

# Of training windows, by how much their halves differ: below these shares hardly anything is heard
# to turn, above are ends and silences.
_LEAST_SHARE, _MOST_SHARE = 0.80, 0.97
# A std may become so many times itself, at most, and no less than one so manieth.
_MOST_WIDENING = 1.5
_LEAST_STD = 0.05
# A continuation goes to this many other sections, one after another, and between them comes back …
_N_OTHERS = 2
# … by turns from sections like its own: any of so many.
_N_NEAREST = 4
# A section lasts a power of two of bars, within these.
_FEWEST_BARS, _MOST_BARS = 2, 64


@dataclass(frozen=True)
class Styles:
    """The styles that a batch of sequences goes through."""

    statistics: np.ndarray
    """``(batch, n_styles, 2 * n_latents)``, as of ``statistics_of``; the first is the prompt's."""
    of_steps: np.ndarray
    """``(batch, n_steps)`` integers: which style each step is of."""

    @classmethod
    def of_prompts(cls, statistics: np.ndarray, n_steps: int) -> Self:
        """One style, of statistics ``(batch, 2 * n_latents)``, for all steps."""
        return cls(statistics[:, None], np.zeros((len(statistics), n_steps), int))

    def at(self, step: int, of_styles: Sequence[np.ndarray]) -> np.ndarray:
        """Of arrays ``(batch, …)``, one a style, that of each sequence's style at a step."""
        return np.stack(of_styles)[self.of_steps[:, step], np.arange(len(self.of_steps))]

    def norm(self, step: int) -> InstanceNorm:
        """What latents are normalised by at a step."""
        return InstanceNorm.of(self.at(step, list(np.moveaxis(self.statistics, 1, 0))))


class Turns:
    """Changes of style that were found in recordings."""

    def __init__(self, before: np.ndarray, after: np.ndarray):
        self._before, self._after = before, after
        """``(n_turns, 2 * n_latents)``: statistics on either side of each."""

    @classmethod
    def fit(cls, train: Batches, space: LatentSpace, n_turns: int) -> Self:
        """``n_turns`` of those windows whose halves differ much; some twice, if there are fewer.

        Two passes over the windows: of all of them no more is held than how much their halves
        differ, and statistics of those alone that are chosen.
        """
        differences = []
        for windows in train.epoch(0):
            first, second = (frames.mean(axis=1) for frames in _halves(windows))
            differences.append(np.square(first - second).mean(axis=1))
        ascending = np.argsort(np.concatenate(differences), kind="stable")
        places = np.linspace(_LEAST_SHARE, _MOST_SHARE, n_turns) * (len(ascending) - 1)
        chosen = ascending[places.round().astype(int)]
        sides = np.zeros((2, n_turns, 2 * space.latents.n_latents), np.float32)
        first_window = 0
        for windows in train.epoch(0):
            halves, places_here = _halves(windows), chosen - first_window
            here = (places_here >= 0) & (places_here < len(windows))
            for side, number in zip(sides, range(2), strict=True):
                if here.any():
                    # All of a batch are encoded: of fewer rows, sums are rounded otherwise.
                    side[here] = statistics_of(space.encode(halves[number]))[places_here[here]]
            first_window += len(windows)
        return cls(*sides)

    def styles(
        self,
        statistics: np.ndarray,
        weights: np.ndarray,
        section_steps: np.ndarray,
        n_known: int,
        n_steps: int,
        rngs: Sequence[np.random.Generator],
    ) -> Styles:
        """Prompts of ``n_known`` steps, then their section, another, theirs again, and so on.

        ``statistics`` (batch, 2 * n_latents) are the prompts', ``weights`` (n_latents,) say how
        much each latent counts in how like two sections are, ``section_steps`` (batch,) how long
        sections last; ``rngs``, one a prompt, choose the turns. A longer continuation begins as a
        shorter one.
        """
        # A turn can be taken either way.
        before = np.concatenate([self._before, self._after])
        after = np.concatenate([self._after, self._before])
        n_latents = len(weights)
        styles = []
        for own, rng in zip(statistics, rngs, strict=True):
            away = np.square(weights * (before[:, :n_latents] - own[:n_latents])).sum(axis=1)
            nearest = np.argsort(away, kind="stable")[:_N_NEAREST]
            chosen = rng.choice(nearest, _N_OTHERS, replace=len(nearest) < _N_OTHERS)
            others = [_turned(own, before[number], after[number]) for number in chosen]
            styles.append(np.stack([own, *others]))
        section = np.maximum(np.arange(n_steps) - n_known, 0) // section_steps[:, None]
        of_steps = np.where(section % 2 == 0, 0, 1 + section // 2 % _N_OTHERS)
        return Styles(np.stack(styles), of_steps)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        return {"turns_before": self._before, "turns_after": self._after}

    @staticmethod
    def shapes(n_turns: int, n_latents: int) -> Shapes:
        """Shapes of :meth:`arrays`."""
        return dict.fromkeys(("turns_before", "turns_after"), (n_turns, 2 * n_latents))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild from :meth:`arrays`, among which others may be."""
        return cls(arrays["turns_before"], arrays["turns_after"])


def section_steps(bar_steps: np.ndarray, wanted_steps: float) -> np.ndarray:
    """How many steps sections last, ``(batch,)`` integers, of bars of ``bar_steps`` (batch,).

    As near to ``wanted_steps`` as two, four, eight, … bars come.
    """
    doublings = np.rint(np.log2(wanted_steps / bar_steps))
    bars = np.clip(2.0**doublings, _FEWEST_BARS, _MOST_BARS)
    return (bars * bar_steps).astype(int)


def _halves(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first half of windows ``(batch, n_frames, n_bins)``, and the last."""
    half = windows.shape[1] // 2
    return windows[:, :half], windows[:, -half:]


def _turned(own: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Statistics that are to ``own`` what ``after`` is to ``before``, each ``(2 * n_latents,)``."""
    (mean, std), (mean_before, std_before), (mean_after, std_after) = (
        np.split(statistics, 2) for statistics in (own, before, after)
    )
    widening = np.maximum(std_after, _LEAST_STD) / np.maximum(std_before, _LEAST_STD)
    widening = np.clip(widening, 1.0 / _MOST_WIDENING, _MOST_WIDENING)
    return np.concatenate([mean + mean_after - mean_before, std * widening])
