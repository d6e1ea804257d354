"""How near a set of recordings comes to held-out real audio, in numbers that can be trusted.

A set is a list of :class:`Heard`, one a recording, as :func:`listen` makes them. Generated audio,
real audio and the controls (see ``controls.py``) all go through the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.parallel import each
from soundloom.evaluation.metrics import dynamics, rhythm, tonality
from soundloom.evaluation.metrics.distances import (
    tag_profile,
)
from soundloom.evaluation.metrics.log_mel import frames_per_second, log_mel
from soundloom.evaluation.metrics.stability import (
    compare_ends,
    longest_loop,
    longest_silence_seconds,
    repetition,
)
from soundloom.evaluation.tagger import TAGS, WINDOW_SECONDS, Tagger

# Descriptors are taken of pieces this long, so that long and short recordings compare.
PIECE_SECONDS = 10.0
# Stability compares the first and the last stretch of this length …
STABILITY_SECONDS = 15.0
# … with windows this far apart.
STABILITY_HOP_SECONDS = 0.5
REPETITION_SECONDS = 30.0
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


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
    }
