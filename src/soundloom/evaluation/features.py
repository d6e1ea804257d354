"""What is measured of each recording, once: the set's comparisons are made of this alone.

Generated audio, real audio and the controls go through the same functions. A set of recordings is
a list of :class:`RecordingFeatures`, one a recording.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.lazy import later
from soundloom.common.parallel import each, each_apart
from soundloom.common.recall import Arrays, Recall, anew
from soundloom.evaluation.config import WINDOW_SECONDS
from soundloom.evaluation.metrics import dynamics, fine_structure, rhythm, structure, tonality
from soundloom.evaluation.metrics.distances import tag_profile
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.metrics.stability import describe_recording
from soundloom.evaluation.tagger import TAGS, TagResult

# Descriptors are taken of pieces this long, so that long and short recordings compare.
PIECE_SECONDS = 10.0
_MIN_PIECE_SECONDS = 5.0
# Structure is counted over as much of real audio as continuations last by default.
STRUCTURE_SECONDS = 60.0
_SHORTEST_HOP_SECONDS = 0.1
# Every number that a module's ``describe`` returns becomes a descriptor of the group.
DESCRIPTORS = {"rhythm": rhythm, "tonality": tonality, "dynamics": dynamics, "fine": fine_structure}

Tag = Callable[[np.ndarray, int, float], TagResult]
"""What a ``Tagger`` is called like."""


@dataclass(frozen=True)
class RecordingFeatures:
    """What is kept of a recording to compare it with others."""

    name: str
    seconds: float
    hop_seconds: float
    """From one window of the tagger's to the next."""
    tags: np.ndarray
    """``(n_windows, 50)``."""
    embeddings: np.ndarray
    """``(n_windows, 200)``."""
    further: Mapping[str, np.ndarray]
    """Embeddings by each further ear, ``(n, size)``, of windows that do not overlap."""
    log_mel: np.ndarray
    """``(n_frames, n_bands)`` dB, see ``metrics/log_mel.py``."""
    descriptors: Mapping[str, np.ndarray]
    """``rhythm/tempo_bpm`` and so on, each ``(n_pieces,)``: a value a piece of 10 s."""
    whole: Mapping[str, float]
    """Numbers of the whole recording: ``metrics/stability.py`` and ``metrics/structure.py``."""


def extract_features(
    recordings: Mapping[str, np.ndarray],
    sample_rate_hz: int,
    tagger: Tag,
    *,
    hop_seconds: float,
    threads: int,
    recall: Recall = anew,
) -> list[RecordingFeatures]:
    """Features of recordings, ``(n_samples,)`` each, by name; those under 3 s are left out.

    The tagger's windows are ``hop_seconds`` apart; see :func:`hop_for`. Recordings are asked for as
    many at a time as there are ``threads``, each once, and let go of: a mapping that reads or makes
    them when asked keeps memory bounded. ``recall`` may know what was heard before. Raises
    :class:`SoundloomError` when nothing is long enough.
    """

    def hear(samples: np.ndarray) -> Arrays:
        described = _describe(samples, sample_rate_hz)
        heard = tagger(samples, sample_rate_hz, hop_seconds)
        seconds = len(samples) / sample_rate_hz
        return to_arrays([RecordingFeatures("", seconds, hop_seconds, **vars(heard), **described)])

    def features_of(named: tuple[str, Callable[[], np.ndarray]]) -> RecordingFeatures | None:
        name, samples = named[0], named[1]()
        if len(samples) < WINDOW_SECONDS * sample_rate_hz:
            return None
        made_of = (samples, sample_rate_hz, hop_seconds)
        (features,) = from_arrays(recall(made_of, lambda: hear(samples)))
        return replace(features, name=name)

    asked = [(name, later(recordings, name)) for name in recordings]
    found = each_apart(features_of, asked, desc="features", jobs=threads)
    features = [one for one in found if one is not None]
    if not features:
        raise SoundloomError(
            f"evaluation needs recordings of at least {WINDOW_SECONDS} s; "
            f"got {len(recordings)} shorter ones"
        )
    return features


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """Every descriptor of a piece, ``group/name`` → value."""
    return {
        f"{group}/{name}": value
        for group, module in DESCRIPTORS.items()
        for name, value in module.describe(samples, sample_rate_hz).items()
    }


def describe_structure(
    samples: np.ndarray, frames: np.ndarray, sample_rate_hz: int
) -> dict[str, float]:
    """Sections, returns and chords of a recording, ``(n_samples,)``, and its log-mel frames."""
    chroma = tonality.chroma(samples, sample_rate_hz)
    return structure.describe(chroma, frames, len(samples) / sample_rate_hz)


def mean_structure(
    recordings: Mapping[str, np.ndarray], sample_rate_hz: int, *, threads: int
) -> dict[str, float]:
    """Means of :func:`describe_structure` over all whole minutes of recordings, ``(n_samples,)``.

    Each recording is asked for once, as many at a time as there are ``threads``. Nothing comes of
    recordings none of which lasts a minute.
    """
    length = round(STRUCTURE_SECONDS * sample_rate_hz)

    def described(name: str) -> list[dict[str, float]]:
        samples = recordings[name]
        ends = range(length, len(samples) + 1, length)
        minutes = [samples[end - length : end] for end in ends]
        return [describe_structure(m, log_mel(m, sample_rate_hz), sample_rate_hz) for m in minutes]

    parts = each(described, list(recordings), desc="structure", unit="recording", jobs=threads)
    found = list(itertools.chain.from_iterable(parts))
    return {key: float(np.mean([one[key] for one in found])) for key in (found[0] if found else ())}


def hop_for(durations_seconds: Sequence[float], n_windows: int) -> float:
    """The hop at which recordings of these lengths give ``n_windows`` windows of 3 s, or more.

    Never more than a window: then some of the audio would lie in none.
    """
    room = sum(max(seconds - WINDOW_SECONDS, 0.0) for seconds in durations_seconds)
    return float(np.clip(room / n_windows, _SHORTEST_HOP_SECONDS, WINDOW_SECONDS))


def to_arrays(features: Sequence[RecordingFeatures]) -> dict[str, np.ndarray]:
    """Everything of a set as arrays by name, for a file."""
    arrays = {"names": np.array([recording.name for recording in features])}
    for number, recording in enumerate(features):
        arrays |= {
            f"{number}/times": np.array([recording.seconds, recording.hop_seconds]),
            f"{number}/tags": recording.tags,
            f"{number}/embeddings": recording.embeddings,
            f"{number}/log_mel": recording.log_mel,
            **{f"{number}/by/{ear}": values for ear, values in recording.further.items()},
            **{f"{number}/of/{key}": values for key, values in recording.descriptors.items()},
            **{f"{number}/whole/{key}": np.array(value) for key, value in recording.whole.items()},
        }
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> list[RecordingFeatures]:
    """Undo :func:`to_arrays`."""
    features = []
    for number, name in enumerate(arrays["names"]):
        seconds, hop_seconds = map(float, arrays[f"{number}/times"])
        features.append(
            RecordingFeatures(
                name=str(name),
                seconds=seconds,
                hop_seconds=hop_seconds,
                tags=arrays[f"{number}/tags"],
                embeddings=arrays[f"{number}/embeddings"],
                further=_under(arrays, f"{number}/by/"),
                log_mel=arrays[f"{number}/log_mel"],
                descriptors=_under(arrays, f"{number}/of/"),
                whole={
                    key: float(value) for key, value in _under(arrays, f"{number}/whole/").items()
                },
            )
        )
    return features


def top_tags(features: Sequence[RecordingFeatures], n_tags: int = 5) -> list[str]:
    """The tags with the highest mean, the highest first."""
    profile = tag_profile(np.concatenate([recording.tags for recording in features]))
    return [TAGS[index] for index in np.argsort(-profile)[:n_tags]]


def _describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, Any]:
    """The fields of :class:`RecordingFeatures` that need no network."""
    pieces = [describe(piece, sample_rate_hz) for piece in _pieces(samples, sample_rate_hz)]
    frames = log_mel(samples, sample_rate_hz)
    return {
        "log_mel": frames,
        "descriptors": {key: np.array([piece[key] for piece in pieces]) for key in pieces[0]},
        "whole": {
            **describe_recording(samples, frames, sample_rate_hz),
            **describe_structure(samples, frames, sample_rate_hz),
        },
    }


def _pieces(samples: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Consecutive pieces; a remainder too short to describe is left out, never all of it."""
    length = round(PIECE_SECONDS * sample_rate_hz)
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    long_enough = [p for p in pieces if len(p) >= _MIN_PIECE_SECONDS * sample_rate_hz]
    return long_enough or pieces[:1]


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
    }
