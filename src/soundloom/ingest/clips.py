"""Where recordings are cut into clips, and which of them are the same music twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from soundloom.audio.samples import is_silent
from soundloom.audio.stored import Samples


def clip_slices(n_samples: int, clip_samples: int, min_clip_samples: int) -> list[slice]:
    """Consecutive clips of ``clip_samples`` that cover a recording from its start.

    What remains after the last whole clip is a shorter clip if it has ``min_clip_samples``, and is
    left out otherwise.
    """
    starts = range(0, n_samples - min_clip_samples + 1, clip_samples)
    return [slice(start, min(start + clip_samples, n_samples)) for start in starts]


def audible_clips(
    samples: Samples, clip_samples: int, min_clip_samples: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The clips of a recording, mono or stereo, that are not silent: where each begins, and it.

    One at a time is in memory, if the recording is not.
    """
    for part in clip_slices(len(samples), clip_samples, min_clip_samples):
        clip = samples[part]
        if not is_silent(clip):
            yield part.start, clip


def is_all_silent(samples: Samples, piece_samples: int) -> bool:
    """Whether a whole recording is silent, of which ``piece_samples`` at a time are looked at."""
    starts = range(0, len(samples), piece_samples)
    pieces = (samples[start : start + piece_samples] for start in starts)
    extremes = [edge for piece in pieces for edge in (piece.min(axis=0), piece.max(axis=0))]
    return is_silent(np.array(extremes))


def beginnings(samples: np.ndarray, step_samples: int) -> tuple[bytes, ...]:
    """SHA-256 of what a clip ``(n_samples,)`` begins with: of one step, of two, and so on.

    A clip that ends early, as of a file that was cut short, has the first of these. They are of the
    signs of the samples alone: a recording that was too loud is scaled by its peak, which a part of
    it may lack. Left out are silent beginnings, which many have, and the last half step or more: at
    a cut, decoding and resampling make other samples.
    """
    digest, found = hashlib.sha256(), []
    for stop in range(step_samples, len(samples) - step_samples // 2 + 1, step_samples):
        digest.update(np.packbits(samples[stop - step_samples : stop] > 0).tobytes())
        if not is_silent(samples[:stop]):
            found.append(digest.digest())
    return tuple(found)


def originals(
    n_samples: Sequence[int], beginnings_of: Sequence[Sequence[tuple[bytes, ...]]]
) -> list[int]:
    """For each recording, the position of the one it has audio of: its own, unless it is a copy.

    Given are the lengths of recordings, and :func:`beginnings` of their clips. A copy has a clip
    that is one of the original's, or the beginning of one. Of two, the shorter is the copy, or the
    second.
    """
    found, owners = list(range(len(n_samples))), dict[bytes, int]()
    for position in sorted(found, key=lambda position: -n_samples[position]):
        clips = beginnings_of[position]
        shared = [owners[clip[-1]] for clip in clips if clip and clip[-1] in owners]
        if shared:
            found[position] = shared[0]
        else:
            owners |= {beginning: position for clip in clips for beginning in clip}
    return found
