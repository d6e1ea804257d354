"""How near a set of recordings comes to held-out real audio, in numbers that can be trusted.

A set is a list of :class:`Heard`, one a recording, as :func:`listen` makes them. Generated audio,
real audio and the controls (see ``controls.py``) all go through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.features import DESCRIPTORS, STABILITY_SECONDS, Heard
from soundloom.evaluation.metrics.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    profile_distance,
    tag_profile,
)
from soundloom.evaluation.metrics.distribution import compare
from soundloom.evaluation.metrics.diversity import relative_diversity
from soundloom.evaluation.metrics.log_mel import frames_per_second
from soundloom.evaluation.metrics.novelty import (
    Match,
    near_copy_share,
    nearest_embeddings,
    nearest_passages,
)
from soundloom.evaluation.tagger import WINDOW_SECONDS

# Fewer recordings, or pieces of them, cannot be split and compared with each other.
_LEAST_GROUPS = 4
_DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "fad": frechet_distance,
    "kad": kernel_distance,
}
# Sums are rounded alike on any number of cores, and small products are faster on one.
_same_on_any_machine = threadpool_limits.wrap(limits=1)


class Measures:
    """Held-out and training audio, with which any set of recordings is compared."""

    def __init__(
        self,
        held_out: Sequence[Heard],
        training: Sequence[Heard],
        config: EvaluateConfig,
        sample_rate_hz: int,
    ):
        self._held_out, self._training, self._config = held_out, training, config
        self._frames_per_second = frames_per_second(sample_rate_hz)

    @_same_on_any_machine
    def of(self, sample: Sequence[Heard], matches: Sequence[Match] | None = None) -> dict[str, Any]:
        """Everything of a set, in JSON types: distances to held-out audio, novelty, and so on.

        ``matches`` are what :meth:`nearest` gives of the set, by default looked for here. What a
        set is too small for is left out.
        """
        return {
            **self._distances(sample),
            **self._descriptors(sample),
            "novelty": self._novelty(sample, self.nearest(sample) if matches is None else matches),
            **self._habits(sample),
        }

    @_same_on_any_machine
    def of_real(self) -> dict[str, Any]:
        """The same of real audio: training audio's distances, and held-out audio's novelty."""
        return {
            **self._distances(self._training),
            **self._descriptors(self._training),
            "novelty": self._novelty(self._held_out, self.nearest(self._held_out)),
            **self._habits(self._training),
        }

    @_same_on_any_machine
    def stability(self, sample: Sequence[Heard]) -> dict[str, float]:
        """The last 15 s of recordings against their first; nothing of recordings too short.

        ``fad_ratio`` compares the distances of both ends from held-out audio; ``level_drift_db`` is
        the largest of any recording, the ratios are means.
        """
        long = [heard for heard in sample if heard.seconds >= 2 * STABILITY_SECONDS]
        if not long:
            return {}
        n_end = 1 + int((STABILITY_SECONDS - WINDOW_SECONDS) / long[0].hop_seconds)
        first = np.concatenate([heard.embeddings[:n_end] for heard in long])
        last = np.concatenate([heard.embeddings[-n_end:] for heard in long])
        reference = _spread(self._held_out, "embeddings", self._n_windows(self._held_out))
        fads = [frechet_distance(reference, windows) for windows in (first, last)]
        return {
            "fad_first": fads[0],
            "fad_last": fads[1],
            "fad_ratio": fads[1] / fads[0],
            "level_drift_db": max((heard.whole["level_drift_db"] for heard in long), key=abs),
            "flatness_ratio": _mean_of(long, "flatness_ratio"),
            "flux_ratio": _mean_of(long, "flux_ratio"),
        }

    @_same_on_any_machine
    def nearest(self, sample: Sequence[Heard]) -> list[Match]:
        """The training passage nearest to each passage of a set."""
        return nearest_passages(
            [heard.log_mel for heard in sample],
            [heard.log_mel for heard in self._training],
            self._frames_per_second,
        )

    def _n_windows(self, sample: Sequence[Heard]) -> int:
        """Windows both sides of a distance give: as many as asked for, or the smaller side has."""
        return min(self._config.n_windows, _count(sample), _count(self._held_out))

    def _distances(self, sample: Sequence[Heard]) -> dict[str, float]:
        """FAD and KAD with intervals, and the distance of the tag profiles."""
        n_windows = self._n_windows(sample)
        sides = (self._held_out, sample)
        held_out, own = (_shares(side, n_windows) for side in sides)
        tags = [tag_profile(_spread(side, "tags", n_windows)) for side in sides]
        numbers: dict[str, float] = {"n_windows": n_windows}
        for name, distance in _DISTANCES.items():
            numbers[name] = distance(*(_spread(side, "embeddings", n_windows) for side in sides))
            if min(map(len, sides)) > 1:
                numbers[f"{name}_low"], numbers[f"{name}_high"] = bootstrap_interval(
                    held_out,
                    own,
                    distance,
                    self._config.n_resamples,
                    np.random.default_rng(self._config.seed),
                )
        return numbers | {"tags": profile_distance(*tags)}

    def _descriptors(self, sample: Sequence[Heard]) -> dict[str, dict[str, float]]:
        """Of each group: every descriptor's distance, and the mean beside that of real audio."""
        numbers: dict[str, dict[str, float]] = {}
        groups = np.concatenate(
            [[number] * len(_pieces_of(heard)) for number, heard in enumerate(self._held_out)]
        )
        if len(self._held_out) < _LEAST_GROUPS:
            # Pieces of one recording are alike: real audio then looks nearer to itself than it is.
            groups = np.arange(len(groups))
        n_pieces = sum(len(_pieces_of(heard)) for heard in sample)
        if len(groups) < _LEAST_GROUPS or n_pieces < 2:
            return {}
        for group in DESCRIPTORS:
            found = {
                key.removeprefix(f"{group}/"): compare(
                    np.concatenate([heard.descriptors[key] for heard in sample]),
                    np.concatenate([heard.descriptors[key] for heard in self._held_out]),
                    real_groups=groups,
                    seed=self._config.seed,
                )
                for key in self._held_out[0].descriptors
                if key.startswith(f"{group}/")
            }
            to_real = float(np.mean([one.generated_to_real for one in found.values()]))
            among_real = float(np.mean([one.real_to_real for one in found.values()]))
            numbers[group] = {
                "distance": to_real,
                "ratio": to_real / among_real,
                **{name: one.generated_to_real for name, one in found.items()},
            }
        return numbers

    def _novelty(self, sample: Sequence[Heard], matches: Sequence[Match]) -> dict[str, float]:
        """How near a set comes to training audio: correlations of passages, and embeddings."""
        correlations = np.array([match.correlation for match in matches])
        similarities, _ = nearest_embeddings(
            np.concatenate([heard.embeddings for heard in sample]),
            np.concatenate([heard.embeddings for heard in self._training]),
        )
        numbers = {"embedding_similarity": float(similarities.mean())}
        if len(correlations):
            numbers["near_copies"] = near_copy_share(correlations)
            numbers["correlation_median"] = float(np.median(correlations))
            numbers["correlation_highest"] = float(correlations.max())
        return numbers

    def _habits(self, sample: Sequence[Heard]) -> dict[str, float]:
        """What a set does too much or too little of."""
        numbers = {
            "repetition": _mean_of(sample, "repetition"),
            "stuck_seconds": max(heard.whole["stuck_seconds"] for heard in sample),
            "silence_seconds": max(heard.whole["longest_silence_seconds"] for heard in sample),
        }
        if min(len(sample), len(self._held_out)) > 1:
            numbers["diversity"] = relative_diversity(
                [heard.embeddings for heard in sample],
                [heard.embeddings for heard in self._held_out],
            )
        return numbers


def _pieces_of(heard: Heard) -> np.ndarray:
    return next(iter(heard.descriptors.values()))


def _count(side: Sequence[Heard]) -> int:
    return sum(len(heard.embeddings) for heard in side)


def _spread(side: Sequence[Heard], what: str, count: int) -> np.ndarray:
    """``count`` of a set's windows, evenly spread over all of it."""
    return _thinned(np.concatenate([getattr(heard, what) for heard in side]), count)


def _shares(side: Sequence[Heard], count: int) -> list[np.ndarray]:
    """``count`` of a set's embeddings, about, by recording."""
    share = count / _count(side)
    return [
        _thinned(heard.embeddings, max(round(share * len(heard.embeddings)), 1)) for heard in side
    ]


def _thinned(windows: np.ndarray, count: int) -> np.ndarray:
    return windows[np.arange(count) * len(windows) // count]


def _mean_of(side: Sequence[Heard], key: str) -> float:
    return float(np.mean([heard.whole[key] for heard in side]))
