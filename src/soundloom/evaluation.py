"""How near a set of recordings comes to held-out real audio, in numbers that can be trusted.

A set is a list of :class:`Heard`, one a recording, as :func:`listen` makes them. Generated audio,
real audio and the controls (see ``controls.py``) all go through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundloom.errors import SoundloomError
from soundloom.metrics import diversity, dynamics, rhythm, stability, tonality
from soundloom.metrics.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    profile_distance,
    tag_profile,
)
from soundloom.metrics.distribution import distance_to
from soundloom.metrics.log_mel import log_mel
from soundloom.parallel import each
from soundloom.tagger import TAGS, WINDOW_SECONDS, Tagger

# Descriptors are taken of pieces this long, so that long and short recordings compare.
PIECE_SECONDS = 10.0
# Stability compares the first and the last stretch of this length …
STABILITY_SECONDS = 15.0
# … with windows this far apart.
STABILITY_HOP_SECONDS = 0.5
_MIN_PIECE_SECONDS = 5.0
_SHORTEST_HOP_SECONDS = 0.1
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
    """``rhythm/tempo_bpm`` and so on, each ``(n_pieces,)``."""


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
        _describe_pieces, list(long_enough.values()), sample_rate_hz, desc="descriptors",
        jobs=threads,
    )  # fmt: skip
    heard = []
    for (name, samples), (descriptors, frames) in zip(long_enough.items(), described, strict=True):
        result = tagger(samples, sample_rate_hz, hop_seconds)
        heard.append(
            Heard(
                name=name,
                seconds=len(samples) / sample_rate_hz,
                hop_seconds=hop_seconds,
                tags=result.tags,
                embeddings=result.embeddings,
                log_mel=frames,
                descriptors=descriptors,
            )
        )
    return heard


def _describe_pieces(
    samples: np.ndarray, sample_rate_hz: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    pieces = [describe(piece, sample_rate_hz) for piece in _pieces(samples, sample_rate_hz)]
    descriptors = {key: np.array([piece[key] for piece in pieces]) for key in pieces[0]}
    return descriptors, log_mel(samples, sample_rate_hz)


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
    wanted = max(n_windows - len(durations_seconds), 1)
    return float(np.clip(0.999 * room / wanted, _SHORTEST_HOP_SECONDS, WINDOW_SECONDS))


def compare(
    sample: Sequence[Heard], reference: Sequence[Heard], n_windows: int
) -> dict[str, float]:
    """Distances between two sets; 0 is equal, and each is small between two sets of real audio.

    Both sides give the same number of windows, ``n_windows`` or as many as the smaller has.
    """
    counts = min(n_windows, _n_windows(sample), _n_windows(reference))
    tags, reference_tags = (_spread(s, "tags", counts) for s in (sample, reference))
    embeddings, reference_embeddings = (
        _spread(s, "embeddings", counts) for s in (sample, reference)
    )
    numbers = {
        "n_windows": float(counts),
        "fad": frechet_distance(reference_embeddings, embeddings),
        "kad": kernel_distance(reference_embeddings, embeddings),
        "tags": profile_distance(tag_profile(reference_tags), tag_profile(tags)),
    }
    for key in reference[0].descriptors:
        numbers[key] = distance_to(
            np.concatenate([heard.descriptors[key] for heard in reference]),
            np.concatenate([heard.descriptors[key] for heard in sample]),
        )
    for group in DESCRIPTORS:
        numbers[group] = float(
            np.mean([value for key, value in numbers.items() if key.startswith(f"{group}/")])
        )
    return numbers


def intervals(
    sample: Sequence[Heard],
    reference: Sequence[Heard],
    n_resamples: int,
    n_windows: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """95 % intervals of FAD and KAD over recordings; nothing with fewer than two on a side."""
    if min(len(sample), len(reference)) < 2:
        return {}
    sides = [
        [windows for heard in side if len(windows := _thinned(heard, side, n_windows))]
        for side in (reference, sample)
    ]
    found = {}
    statistics: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "fad": frechet_distance,
        "kad": kernel_distance,
    }
    for name, statistic in statistics.items():
        low, high = bootstrap_interval(*sides, statistic, n_resamples, rng)
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


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
        }
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> list[Heard]:
    """Undo :func:`to_arrays`."""
    heard = []
    for number, name in enumerate(arrays["names"]):
        prefix = f"{number}/of/"
        seconds, hop_seconds = map(float, arrays[f"{number}/times"])
        heard.append(
            Heard(
                name=str(name),
                seconds=seconds,
                hop_seconds=hop_seconds,
                tags=arrays[f"{number}/tags"],
                embeddings=arrays[f"{number}/embeddings"],
                log_mel=arrays[f"{number}/log_mel"],
                descriptors={
                    key.removeprefix(prefix): values
                    for key, values in arrays.items()
                    if key.startswith(prefix)
                },
            )
        )
    return heard


def top_tags(heard: Sequence[Heard], n_tags: int = 5) -> list[str]:
    """The tags with the highest mean, the highest first."""
    profile = tag_profile(np.concatenate([clip.tags for clip in heard]))
    return [TAGS[index] for index in np.argsort(-profile)[:n_tags]]


def _pieces(samples: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Consecutive pieces; a remainder too short to describe is left out, never all of it."""
    length = round(PIECE_SECONDS * sample_rate_hz)
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    long_enough = [p for p in pieces if len(p) >= _MIN_PIECE_SECONDS * sample_rate_hz]
    return long_enough or pieces[:1]


def _n_windows(side: Sequence[Heard]) -> int:
    return sum(len(heard.embeddings) for heard in side)


def _spread(side: Sequence[Heard], what: str, count: int) -> np.ndarray:
    """``count`` of a set's windows, evenly spread over all of it."""
    windows = np.concatenate([getattr(heard, what) for heard in side])
    return windows[np.arange(count) * len(windows) // count]


def _thinned(heard: Heard, side: Sequence[Heard], count: int) -> np.ndarray:
    """A recording's share of ``count`` windows of its set."""
    share = max(round(count * len(heard.embeddings) / _n_windows(side)), 1)
    share = min(share, len(heard.embeddings))
    return heard.embeddings[np.arange(share) * len(heard.embeddings) // share]
