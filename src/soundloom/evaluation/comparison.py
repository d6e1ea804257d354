"""Sets of recordings beside held-out real audio: distances, novelty, diversity, stability.

To report one more number of whole recordings, add it to ``describe_recording`` in
``metrics/stability.py`` and to :data:`WHOLE_RECORDING`. To report one more descriptor's distance,
add it to a ``describe`` in ``metrics/``; it counts in the group's ``distance`` and ``ratio`` only
once :data:`COUNTED` names it. Whatever is returned here is written to metrics/evaluate.json and
metrics/reference.json, shown on the listening page and logged to MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from soundloom.common.evenly import evenly_spaced
from soundloom.common.parallel import each
from soundloom.evaluation.config import WINDOW_SECONDS, EvaluateConfig
from soundloom.evaluation.features import RecordingFeatures
from soundloom.evaluation.metrics.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    mauve_divergence,
    profile_distance,
    quantised,
    tag_profile,
)
from soundloom.evaluation.metrics.distribution import compare
from soundloom.evaluation.metrics.diversity import relative_diversity
from soundloom.evaluation.metrics.log_mel import frames_per_second
from soundloom.evaluation.metrics.novelty import (
    Match,
    highest_similarities,
    near_copy_share,
    nearest_passages,
)
from soundloom.evaluation.metrics.stability import END_SECONDS

# What a group's ``distance`` and ``ratio`` are the mean of, by ``group/name``. Any other descriptor
# is reported beside them and does not count, so that figures stay comparable with older ones.
COUNTED = {
    "rhythm": ("pulse_clarity", "tempo_bpm", "beat_regularity", "onsets_per_second"),
    "tonality": ("key_clarity", "chroma_entropy"),
    "dynamics": (
        "rms_dbfs", "crest_db", "spectral_flatness", "centroid_hz", "spectral_flux", "high_band_db",
    ),
    # Slower modulation is rhythm: the fastest band holds the edges that blur takes.
    "fine": (
        "frame_change_db", "onset_sharpness", "harmonic_contrast_db",
        *(f"modulation_{part}_8_to_20_hz_db" for part in ("low", "mid", "high")),
    ),
}  # fmt: skip
# Windows of recordings whose ends are compared lie this far apart.
STABILITY_HOP_SECONDS = 0.5
_LEAST_FRAME_CHANGE_DB = 1e-3  # keeps the ratio finite where real audio is silence
# Fewer recordings, or pieces of them, cannot be split and compared with each other.
_LEAST_GROUPS = 4
_DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "fad": frechet_distance,
    "kad": kernel_distance,
}
_FEWEST_WINDOWS = 2  # of a set for a distance
# What compares recordings by pairs takes so many of a larger set, evenly spaced: 130 MB of numbers.
_MOST_RECORDINGS = 4096
# Sums are rounded alike on any number of cores, and small products are faster on one.
_same_on_any_machine = threadpool_limits.wrap(limits=1)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


# Numbers of whole recordings that are reported of a set, and what is taken of those of its
# recordings.
WHOLE_RECORDING: dict[str, Callable[[Iterable[float]], float]] = {
    "repetition": _mean,
    "stuck_seconds": max,
    "longest_silence_seconds": max,
    "section_changes_per_minute": _mean,
    "returns_per_minute": _mean,
    "chord_changes_per_minute": _mean,
}


class Comparison:
    """Held-out and training audio, with which any set of recordings is compared."""

    def __init__(
        self,
        held_out: Sequence[RecordingFeatures],
        training: Sequence[RecordingFeatures],
        config: EvaluateConfig,
        sample_rate_hz: int,
    ):
        self._held_out, self._training, self._config = held_out, training, config
        self._frames_per_second = frames_per_second(sample_rate_hz)

    @_same_on_any_machine
    def measure(
        self, sample: Sequence[RecordingFeatures], matches: Sequence[Match] | None = None
    ) -> dict[str, Any]:
        """Every number of a set, in JSON types: distances to held-out audio, novelty, and so on.

        ``matches`` are what :meth:`nearest` gives of the set, by default looked for here. What a
        set is too small for is left out.
        """
        return {
            **self._distances(sample),
            **self._descriptors(sample),
            "novelty": self._novelty(sample, self.nearest(sample) if matches is None else matches),
            **self._whole(sample),
        }

    @_same_on_any_machine
    def measure_real(self) -> dict[str, Any]:
        """The same of real audio: training audio's distances, and held-out audio's novelty."""
        return {
            **self._distances(self._training),
            **self._descriptors(self._training),
            "novelty": self._novelty(self._held_out, self.nearest(self._held_out)),
            **self._whole(self._training),
        }

    @_same_on_any_machine
    def stability(self, sample: Sequence[RecordingFeatures]) -> dict[str, float]:
        """The last 15 s of recordings against their first; nothing of recordings too short.

        ``fad_ratio`` compares the distances of both ends from held-out audio; ``level_drift_db`` is
        the largest of any recording, the ratios are means. The windows should overlap
        (:data:`STABILITY_HOP_SECONDS`), or there are few in 15 s.
        """
        long = [recording for recording in sample if recording.seconds >= 2 * END_SECONDS]
        if not long:
            return {}
        n_end = 1 + int((END_SECONDS - WINDOW_SECONDS) / long[0].hop_seconds)
        first = np.concatenate([recording.embeddings[:n_end] for recording in long])
        last = np.concatenate([recording.embeddings[-n_end:] for recording in long])
        held_out = self._embeddings(self._held_out)
        reference = _spaced(held_out, self._n_windows(held_out))
        fads = [frechet_distance(reference, windows) for windows in (first, last)]
        return {
            "fad_first": fads[0],
            "fad_last": fads[1],
            "fad_ratio": fads[1] / fads[0],
            "level_drift_db": max(
                (recording.whole["level_drift_db"] for recording in long), key=abs
            ),
            "flatness_ratio": _mean(recording.whole["flatness_ratio"] for recording in long),
            "flux_ratio": _mean(recording.whole["flux_ratio"] for recording in long),
        }

    @_same_on_any_machine
    def nearest(self, sample: Sequence[RecordingFeatures]) -> list[Match]:
        """The training passage nearest to each passage of a set."""
        return nearest_passages(
            [recording.log_mel for recording in sample],
            [recording.log_mel for recording in self._training],
            self._frames_per_second,
        )

    def _distances(self, sample: Sequence[RecordingFeatures]) -> dict[str, Any]:
        """FAD, KAD and MAD with intervals by every ear, and the distance of the tag profiles."""
        n_windows = self._n_windows(self._embeddings(sample))
        tags = [
            tag_profile(_spaced([recording.tags for recording in side], n_windows))
            for side in (self._held_out, sample)
        ]
        ears = [None, *self._held_out[0].further]
        first, *further = each(
            lambda ear: self._by_ear(sample, ear), ears, jobs=self._config.threads
        )
        numbers: dict[str, Any] = {**first, "tags": profile_distance(*tags)}
        if heard := {ear: of for ear, of in zip(ears[1:], further, strict=True) if of}:
            numbers["ears"] = heard
        return numbers

    @_same_on_any_machine
    def _by_ear(
        self, sample: Sequence[RecordingFeatures], ear: str | None = None
    ) -> dict[str, float]:
        """The distances by the tagger, or by a further ear; none of sets too small."""
        sides = [self._embeddings(side, ear) for side in (self._held_out, sample)]
        n_windows = self._n_windows(sides[1], ear)
        if n_windows < _FEWEST_WINDOWS:
            return {}
        whole = [_spaced(side, n_windows) for side in sides]
        parts = [_spaced_by_recording(side, n_windows) for side in sides]
        numbers: dict[str, float] = {"n_windows": n_windows}
        for name, distance in _DISTANCES.items():
            numbers |= self._with_interval(name, distance, whole, parts)
        # Clusters are found once: resamples have other shares of them.
        held_out, own = (np.concatenate(side) for side in parts)
        clusters = quantised(held_out, own, self._config.seed)
        ends = [np.cumsum([len(part) for part in side])[:-1] for side in parts]
        labels = [np.split(side, end) for side, end in zip(clusters, ends, strict=True)]
        return numbers | self._with_interval("mad", mauve_divergence, clusters, labels)

    def _with_interval(
        self,
        name: str,
        distance: Callable[[np.ndarray, np.ndarray], float],
        whole: Sequence[np.ndarray],
        parts: Sequence[Sequence[np.ndarray]],
    ) -> dict[str, float]:
        """A distance of held-out audio and a sample, and its interval over their recordings."""
        (reference, own), (reference_parts, own_parts) = whole, parts
        numbers = {name: distance(reference, own)}
        if self._config.n_resamples and min(len(reference_parts), len(own_parts)) > 1:
            numbers[f"{name}_low"], numbers[f"{name}_high"] = bootstrap_interval(
                reference_parts,
                own_parts,
                distance,
                self._config.n_resamples,
                np.random.default_rng(self._config.seed),
            )
        return numbers

    def _embeddings(
        self, side: Sequence[RecordingFeatures], ear: str | None = None
    ) -> list[np.ndarray]:
        """A set's embeddings by recording: the tagger's, or a further ear's."""
        return [recording.further[ear] if ear else recording.embeddings for recording in side]

    def _n_windows(self, sample: Sequence[np.ndarray], ear: str | None = None) -> int:
        """Windows both sides of a distance give: as many as asked for, or the smaller side has."""
        counts = (sum(map(len, side)) for side in (sample, self._embeddings(self._held_out, ear)))
        return min(self._config.n_windows, *counts)

    def _descriptors(self, sample: Sequence[RecordingFeatures]) -> dict[str, dict[str, float]]:
        """Of each group: every descriptor's distance, and the mean beside that of real audio.

        ``ratio`` is left out where real audio does not differ from itself.
        """
        groups = np.concatenate(
            [[number] * len(_pieces_of(real)) for number, real in enumerate(self._held_out)]
        )
        if len(self._held_out) < _LEAST_GROUPS:
            # Pieces of one recording are alike: real audio then looks nearer to itself than it is.
            groups = np.arange(len(groups))
        n_pieces = sum(len(_pieces_of(recording)) for recording in sample)
        if len(groups) < _LEAST_GROUPS or n_pieces < 2:
            return {}
        found = {
            key: compare(
                np.concatenate([recording.descriptors[key] for recording in sample]),
                np.concatenate([recording.descriptors[key] for recording in self._held_out]),
                real_groups=groups,
                seed=self._config.seed,
            )
            for key in self._held_out[0].descriptors
        }
        numbers: dict[str, dict[str, float]] = {}
        for group, counted in COUNTED.items():
            to_real = _mean(found[f"{group}/{name}"].generated_to_real for name in counted)
            among_real = _mean(found[f"{group}/{name}"].real_to_real for name in counted)
            numbers[group] = {"distance": to_real}
            if among_real > 0:
                numbers[group]["ratio"] = to_real / among_real
        for key, descriptor in found.items():
            group, name = key.split("/")
            numbers.setdefault(group, {})[f"{name}_distance"] = descriptor.generated_to_real
        return numbers

    def _novelty(
        self, sample: Sequence[RecordingFeatures], matches: Sequence[Match]
    ) -> dict[str, float]:
        """How near a set comes to training audio: correlations of passages, and embeddings."""
        correlations = np.array([match.correlation for match in matches])
        similarities = highest_similarities(
            np.concatenate(self._embeddings(sample)), self._embeddings(self._training)
        )
        numbers = {"embedding_similarity": float(similarities.mean())}
        if len(correlations):
            numbers["near_copies"] = near_copy_share(correlations)
            numbers["correlation_median"] = float(np.median(correlations))
            numbers["correlation_highest"] = float(correlations.max())
        return numbers

    def _whole(self, sample: Sequence[RecordingFeatures]) -> dict[str, float]:
        """What there is too much or too little of in a set: repetition, silence, variety."""
        numbers = {
            name: summary(recording.whole[name] for recording in sample)
            for name, summary in WHOLE_RECORDING.items()
        }
        changes, real_changes = (
            _mean(recording.descriptors["fine/frame_change_db"].mean() for recording in side)
            for side in (sample, self._held_out)
        )
        numbers["frame_change_ratio"] = changes / max(real_changes, _LEAST_FRAME_CHANGE_DB)
        drifts = (recording.whole["level_drift_db"] for recording in sample)
        numbers["level_change_db"] = _mean(map(abs, drifts))
        if min(len(sample), len(self._held_out)) > 1:
            numbers["diversity"] = relative_diversity(
                *(_some(self._embeddings(side)) for side in (sample, self._held_out))
            )
        return numbers


def _pieces_of(recording: RecordingFeatures) -> np.ndarray:
    return next(iter(recording.descriptors.values()))


def _spaced(parts: Sequence[np.ndarray], count: int) -> np.ndarray:
    """``count`` of a set's windows, evenly spaced over all of it, which is never put together."""
    ends = np.cumsum([len(part) for part in parts])
    chosen = np.array(evenly_spaced(int(ends[-1]), count), int)
    of_parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    starts = [0, *ends[:-1]]
    return np.concatenate(
        [part[own - start] for part, own, start in zip(parts, of_parts, starts, strict=True)]
    )


def _spaced_by_recording(parts: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """``count`` of a set's windows, about, by recording; one at least of each."""
    parts = _some(parts)
    share = count / sum(map(len, parts))
    return [part[evenly_spaced(len(part), max(round(share * len(part)), 1))] for part in parts]


def _some(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [parts[number] for number in evenly_spaced(len(parts), _MOST_RECORDINGS)]
