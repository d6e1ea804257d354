"""Two variants on the same prompts: what differs by more than other songs would make it differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.metrics.distances import shifted_interval

Recording = TypeVar("Recording")
Measure = Callable[[Sequence[Recording]], Mapping[str, float]]


@dataclass(frozen=True)
class Difference:
    """A figure of two variants, less being better, and the interval of ``second - first``."""

    first: float
    second: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["better", "worse", "within"]:
        """What the second is: where the interval holds 0, the difference may be chance."""
        if self.low > 0:
            return "worse"
        return "better" if self.high < 0 else "within"


def paired_differences(
    measure: Measure[Recording],
    first: Sequence[Recording],
    second: Sequence[Recording],
    songs: Sequence[str],
    n_resamples: int,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
) -> dict[str, Difference]:
    """Every figure that ``measure`` gives of both sets, and the bootstrap interval of differences.

    The recordings of ``first`` and ``second`` are pairs, of the same prompts in the same order, and
    ``songs`` names the song of each. Whole songs are drawn, with replacement and the same ones for
    both: what makes one song harder than another then cancels. The interval is a
    :func:`~.metrics.distances.shifted_interval`; of fewer than about eight songs it is too narrow.
    Raises :class:`SoundloomError` for sets that are no pairs, or of one song.
    """
    names = sorted(set(songs))
    if not len(first) == len(second) == len(songs) or len(names) < 2:
        raise SoundloomError(
            f"pairs needed, of 2 songs or more; got {len(first)} and {len(second)} recordings "
            f"of {len(names)} songs"
        )
    places = {name: [n for n, song in enumerate(songs) if song == name] for name in names}
    of_first, of_second = measure(first), measure(second)
    found: dict[str, list[float]] = {key: [] for key in of_first if key in of_second}
    for _ in range(n_resamples):
        drawn = [n for name in rng.choice(names, len(names)) for n in places[name]]
        # A resample of few songs may be too much of one kind for a distance: it does not count.
        with suppress(SoundloomError):
            one, other = (measure([side[n] for n in drawn]) for side in (first, second))
            for key, differences in found.items():
                if key in one and key in other:
                    differences.append(other[key] - one[key])
    differences_of: dict[str, Difference] = {}
    for key, differences in found.items():
        if differences:
            low, high = shifted_interval(differences, of_second[key] - of_first[key], level)
            differences_of[key] = Difference(of_first[key], of_second[key], low, high)
    return differences_of
