"""How near a set of recordings comes to held-out real audio, in numbers that can be trusted.

A set is a list of :class:`Heard`, one a recording, as :func:`listen` makes them. Generated audio,
real audio and the controls (see ``controls.py``) all go through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from soundloom.config import EvaluateConfig
from soundloom.errors import SoundloomError
from soundloom.metrics import dynamics, rhythm, tonality
from soundloom.metrics.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    profile_distance,
    tag_profile,
)
from soundloom.metrics.distribution import compare
from soundloom.metrics.diversity import relative_diversity
from soundloom.metrics.log_mel import frames_per_second, log_mel
from soundloom.metrics.novelty import (
    Match,
    near_copy_share,
    nearest_embeddings,
    nearest_passages,
)
from soundloom.metrics.stability import (
    compare_ends,
    longest_loop,
    longest_silence_seconds,
    repetition,
)
from soundloom.parallel import each
from soundloom.tagger import TAGS, WINDOW_SECONDS, Tagger

# Descriptors are taken of pieces this long, so that long and short recordings compare.
PIECE_SECONDS = 10.0
# Stability compares the first and the last stretch of this length …
STABILITY_SECONDS = 15.0
# … with windows this far apart.
STABILITY_HOP_SECONDS = 0.5
REPETITION_SECONDS = 30.0
_MIN_PIECE_SECONDS = 5.0
# Fewer recordings, or pieces of them, cannot be split and compared with each other.
_LEAST_GROUPS = 4
_DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "fad": frechet_distance,
    "kad": kernel_distance,
}
_SHORTEST_HOP_SECONDS = 0.1
# Sums are rounded alike on any number of cores, and small products are faster on one.
_same_on_any_machine = threadpool_limits.wrap(limits=1)
DESCRIPTORS = {"rhythm": rhythm, "tonality": tonality, "dynamics": dynamics}


@dataclass(frozen=True)
class Heard:
    """What is kept of a recording to compare it with others."""

    name: str
    seconds: float
    hop_seconds: float
    """From one window of the tagger's to the next."""
    tags: np.ndarray
    """``(n_windows, 50)``."""
    embeddings: np.ndarray
    """``(n_windows, 200)``."""
    log_mel: np.ndarray
    """``(n_frames, n_bands)`` dB, see ``metrics/log_mel.py``."""
    descriptors: Mapping[str, np.ndarray]
    """``rhythm/tempo_bpm`` and so on, each ``(n_pieces,)``: a value a piece of 10 s."""
    whole: Mapping[str, float]
    """What only the whole recording tells: drift from its start to its end, silence, loops."""


def listen(
    recordings: Mapping[str, np.ndarray],
    sample_rate_hz: int,
    tagger: Tagger,
    *,
    n_windows: int,
    threads: int,
    hop_seconds: float | None = None,
) -> list[Heard]:
    """Hear recordings, ``(n_samples,)`` each, by name; those shorter than 3 s are left out.

    The tagger's windows are spread so that there are ``n_windows`` in all, or ``hop_seconds``
    apart. Raises :class:`SoundloomError` when nothing is long enough.
    """
    long_enough = {
        name: samples
        for name, samples in recordings.items()
        if len(samples) >= WINDOW_SECONDS * sample_rate_hz
    }
    if not long_enough:
        raise SoundloomError(
            f"evaluation needs recordings of at least {WINDOW_SECONDS} s; "
            f"got {len(recordings)} shorter ones"
        )
    lengths = [len(samples) / sample_rate_hz for samples in long_enough.values()]
    hop_seconds = hop_seconds or hop_for(lengths, n_windows)
    described = each(
        _describe, list(long_enough.values()), sample_rate_hz, desc="descriptors", jobs=threads
    )
    heard = []
    for (name, samples), known in zip(long_enough.items(), described, strict=True):
        result = tagger(samples, sample_rate_hz, hop_seconds)
        heard.append(
            Heard(
                name=name,
                seconds=len(samples) / sample_rate_hz,
                hop_seconds=hop_seconds,
                tags=result.tags,
                embeddings=result.embeddings,
                **known,
            )
        )
    return heard


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """Every descriptor of a piece, ``group/name`` → value."""
    return {
        f"{group}/{name}": value
        for group, module in DESCRIPTORS.items()
        for name, value in module.describe(samples, sample_rate_hz).items()
    }


def hop_for(durations_seconds: Sequence[float], n_windows: int) -> float:
    """The hop at which recordings of these lengths give ``n_windows`` windows of 3 s, or more.

    Never more than a window: then some of the audio would not be heard at all.
    """
    room = sum(max(seconds - WINDOW_SECONDS, 0.0) for seconds in durations_seconds)
    return float(np.clip(room / n_windows, _SHORTEST_HOP_SECONDS, WINDOW_SECONDS))


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


def truth_kept(
    recordings: Mapping[str, np.ndarray],
    truths: Mapping[str, Mapping[str, Any]],
    sample_rate_hz: int,
) -> dict[str, float]:
    """How often recordings have the tempo and the key that is true of the music they continue.

    ``truths`` hold ``tempo_bpm`` and ``key`` ("E minor"), by the names of the recordings whose
    truth is known. ``tempo``: share whose tempo is right, octaves allowed; ``key``: mean MIREX
    score; ``key_exact``: share of keys right. Both are found from the first 30 s, and not always
    rightly in real audio either.
    """
    tempos, keys = [], []
    for name, truth in truths.items():
        start = recordings[name][: round(30.0 * sample_rate_hz)]
        beats = rhythm.track_beats(*rhythm.onset_envelope(start, sample_rate_hz))
        tempos.append(rhythm.tempo_agrees(beats.tempo_bpm, truth["tempo_bpm"]))
        key = tonality.find_key(tonality.chroma(start, sample_rate_hz)).key
        keys.append(tonality.key_agreement(key, tonality.parse_key(truth["key"])))
    return {
        "tempo": float(np.mean(tempos)),
        "key": float(np.mean(keys)),
        "key_exact": float(np.mean(np.array(keys) == 1.0)),
    }


def to_arrays(heard: Sequence[Heard]) -> dict[str, np.ndarray]:
    """Everything of a set as arrays by name, for a file."""
    arrays = {"names": np.array([clip.name for clip in heard])}
    for number, clip in enumerate(heard):
        arrays |= {
            f"{number}/times": np.array([clip.seconds, clip.hop_seconds]),
            f"{number}/tags": clip.tags,
            f"{number}/embeddings": clip.embeddings,
            f"{number}/log_mel": clip.log_mel,
            **{f"{number}/of/{key}": values for key, values in clip.descriptors.items()},
            **{f"{number}/whole/{key}": np.array(value) for key, value in clip.whole.items()},
        }
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> list[Heard]:
    """Undo :func:`to_arrays`."""
    heard = []
    for number, name in enumerate(arrays["names"]):
        seconds, hop_seconds = map(float, arrays[f"{number}/times"])
        heard.append(
            Heard(
                name=str(name),
                seconds=seconds,
                hop_seconds=hop_seconds,
                tags=arrays[f"{number}/tags"],
                embeddings=arrays[f"{number}/embeddings"],
                log_mel=arrays[f"{number}/log_mel"],
                descriptors=_under(arrays, f"{number}/of/"),
                whole={
                    key: float(value) for key, value in _under(arrays, f"{number}/whole/").items()
                },
            )
        )
    return heard


def top_tags(heard: Sequence[Heard], n_tags: int = 5) -> list[str]:
    """The tags with the highest mean, the highest first."""
    profile = tag_profile(np.concatenate([clip.tags for clip in heard]))
    return [TAGS[index] for index in np.argsort(-profile)[:n_tags]]


def _describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, Any]:
    """The fields of :class:`Heard` that need no network."""
    pieces = [describe(piece, sample_rate_hz) for piece in _pieces(samples, sample_rate_hz)]
    frames, rate = log_mel(samples, sample_rate_hz), frames_per_second(sample_rate_hz)
    return {
        "log_mel": frames,
        "descriptors": {key: np.array([piece[key] for piece in pieces]) for key in pieces[0]},
        "whole": {
            **compare_ends(samples, sample_rate_hz, STABILITY_SECONDS),
            "longest_silence_seconds": longest_silence_seconds(samples, sample_rate_hz),
            "stuck_seconds": longest_loop(frames, rate).seconds,
            # Longer recordings repeat more: all are judged by as much of them.
            "repetition": repetition(frames[: round(REPETITION_SECONDS * rate)], rate),
        },
    }


def _pieces(samples: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Consecutive pieces; a remainder too short to describe is left out, never all of it."""
    length = round(PIECE_SECONDS * sample_rate_hz)
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    long_enough = [p for p in pieces if len(p) >= _MIN_PIECE_SECONDS * sample_rate_hz]
    return long_enough or pieces[:1]


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


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
    }
