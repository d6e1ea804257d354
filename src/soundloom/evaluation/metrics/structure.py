"""Whether music goes somewhere and comes back: sections, returns and chords.

Counts, not judgements: real audio of the same length is the yardstick. A recording is ``chroma``
frames (see :func:`~.tonality.chroma`) for its harmony and log-mel ``frames`` (see ``log_mel.py``)
for its sound, both made of the same seconds.
"""

from __future__ import annotations

from itertools import pairwise

import librosa
import numpy as np
from scipy.signal import find_peaks

# Sound and harmony are compared by means over these.
BLOCK_SECONDS = 0.5
# A change is one of what is heard for this long before and after, four bars or so, as loops of
# chords last; sections last no less.
SIDE_SECONDS = 8.0
# A novelty from which it is a change. In 8 minutes of the built-in band's songs, 17 of the 19 found
# lie within 2 s of one of the 42 there are; many of those sound alike, or the section lasts 6 s.
LEAST_NOVELTY = 0.08
# Sound that differs by this in all bands is as unlike as chords without a note in common.
_UNLIKE_DB = 12.0
_RANGE_DB = 60.0

# A chord is the template most like the chroma; the more so, the surer (in nats).
_CHORD_SURENESS = 10.0
_CHORD_KEPT = 0.95  # from one frame to the next, 93 ms later
_TRIADS = ((0, 4, 7), (0, 3, 7))


def describe(chroma: np.ndarray, frames: np.ndarray, seconds: float) -> dict[str, float]:
    """``section_changes_per_minute``, ``returns_per_minute`` and ``chord_changes_per_minute``.

    ``chroma`` (n_frames, 12) and log-mel ``frames`` (n, n_bands) of ``seconds`` of audio. The
    first and last 8 s cannot be judged for sections, and are not counted as time for them; of
    less than 16 s in all there are none. Long recordings have more to come back to: compare those
    of one length.
    """
    sections = section_means(chroma, frames, seconds)
    judged = max(seconds - 2 * SIDE_SECONDS, BLOCK_SECONDS) / 60.0
    return {
        "section_changes_per_minute": (len(sections) - 1) / judged,
        "returns_per_minute": count_returns(sections) / judged,
        "chord_changes_per_minute": count_chord_changes(chroma) / (max(seconds, 1.0) / 60.0),
    }


def section_means(chroma: np.ndarray, frames: np.ndarray, seconds: float) -> np.ndarray:
    """Mean harmony and sound of every section, ``(n_sections, 12 + n_bands)``, in order.

    Sections begin where the novelty has a peak: half the squared distance between the means of 8 s
    before and after. That is the correlation of the self-similarity matrix with a checkerboard
    (Foote 2000), without the matrix.
    """
    blocks = _blocks(chroma, frames, seconds)
    found = novelty(blocks)
    side = round(SIDE_SECONDS / BLOCK_SECONDS)
    changes, _ = find_peaks(
        found, height=LEAST_NOVELTY, prominence=LEAST_NOVELTY / 2, distance=side
    )
    return np.stack([part.mean(axis=0) for part in np.split(blocks, changes)])


def novelty(blocks: np.ndarray) -> np.ndarray:
    """How unlike before and after the beginning of each of ``(n_blocks, size)``: ``(n_blocks,)``.

    0 where there is less than 8 s on either side.
    """
    side = round(SIDE_SECONDS / BLOCK_SECONDS)
    found = np.zeros(len(blocks))
    if len(blocks) >= 2 * side:
        sums = np.cumsum(np.pad(blocks, ((1, 0), (0, 0))), axis=0)
        means = (sums[side:] - sums[:-side]) / side
        found[side : len(blocks) - side + 1] = _unlikeness(means[side:], means[:-side])
    return found


def count_returns(sections: np.ndarray) -> int:
    """Sections like an earlier one, with another between: no change would be heard from it."""
    return sum(
        bool((_unlikeness(sections[: number - 1], section) < LEAST_NOVELTY).any())
        for number, section in enumerate(sections)
        if number > 1
    )


def count_chord_changes(chroma: np.ndarray) -> int:
    """How often the likeliest sequence of 24 major and minor triads changes.

    Chroma compared with templates (Fujishima 1999), and a hidden Markov model that would rather
    stay (Sheh & Ellis 2003).
    """
    templates = np.zeros((24, 12))
    for mode, notes in enumerate(_TRIADS):
        for root in range(12):
            templates[12 * mode + root, [(root + note) % 12 for note in notes]] = 3**-0.5
    likeness = _units(chroma) @ templates.T
    likelihood = np.exp(_CHORD_SURENESS * likeness)
    chords = librosa.sequence.viterbi_discriminative(
        (likelihood / likelihood.sum(axis=1, keepdims=True)).T,
        librosa.sequence.transition_loop(24, _CHORD_KEPT),
    )
    return int(np.count_nonzero(np.diff(chords)))


def _blocks(chroma: np.ndarray, frames: np.ndarray, seconds: float) -> np.ndarray:
    """Harmony and sound of each half second, ``(n_blocks, 12 + n_bands)``."""
    n_blocks = max(int(seconds / BLOCK_SECONDS), 1)
    levels = np.maximum(frames.astype(np.float64), frames.max() - _RANGE_DB)
    sound = levels / (_UNLIKE_DB * np.sqrt(levels.shape[1]))
    return np.hstack([_means(_units(chroma), n_blocks), _means(sound, n_blocks)])


def _means(values: np.ndarray, n_blocks: int) -> np.ndarray:
    """``(n, size)`` → ``(n_blocks, size)``, each of as many consecutive rows, about."""
    ends = np.linspace(0, len(values), n_blocks + 1).round().astype(int)
    return np.stack(
        [values[start : max(end, start + 1)].mean(axis=0) for start, end in pairwise(ends)]
    )


def _units(chroma: np.ndarray) -> np.ndarray:
    values = chroma.astype(np.float64)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


def _unlikeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return 0.5 * np.square(first - second).sum(axis=-1)
