"""Where recordings are cut into clips, and which of them are the same music twice."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable

import numpy as np

from soundloom.audio.samples import is_silent


def clip_slices(n_samples: int, clip_samples: int, min_clip_samples: int) -> list[slice]:
    """Consecutive clips of ``clip_samples`` that cover a recording from its start.

    What remains after the last whole clip is a shorter clip if it has ``min_clip_samples``, and is
    left out otherwise.
    """
    starts = range(0, n_samples - min_clip_samples + 1, clip_samples)
    return [slice(start, min(start + clip_samples, n_samples)) for start in starts]


def audible_slices(samples: np.ndarray, clip_samples: int, min_clip_samples: int) -> list[slice]:
    """The clips of a recording, ``(n_samples,)``, that are not silent."""
    slices = clip_slices(len(samples), clip_samples, min_clip_samples)
    return [part for part in slices if not is_silent(samples[part])]


def audio_digest(samples: np.ndarray) -> str:
    """SHA-256 of the samples themselves: equal for the same audio in another lossless format."""
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).hexdigest()


def first_of_its_kind(keys: Iterable[Hashable]) -> list[int]:
    """For each key, the position of the first one equal to it: its own, unless it is a replica."""
    first: dict[Hashable, int] = {}
    return [first.setdefault(key, position) for position, key in enumerate(keys)]
