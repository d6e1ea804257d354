"""The blind test: pairs of passages, one real and one generated, that only the music tells apart.

Both are of one length, coded alike and brought to one loudness, so that none of these gives the
answer away. The page cuts them out of the sounds it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

PASSAGE_SECONDS = 5.0
SHORTEST_SECONDS = 2.0
N_PAIRS = 16  # of a page: guessing gets 12 of them in 1 round of 26
QUIETEST_LKFS = -50.0  # what is quieter, matched, would silence the other

# The two filters of ITU-R BS.1770-5, annex 1 (tables 1 and 2), given for 48 kHz: the head's effect,
# and less of the bass.
_K_WEIGHTING = (
    (
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (1.0, -1.69065929318241, 0.73248077421585),
    ),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)
_K_RATE_HZ = 48_000


@dataclass(frozen=True)
class Passage:
    """Where in a sound it lies, and what to multiply its samples with."""

    sound: str
    start_seconds: float
    gain: float


@dataclass(frozen=True)
class BlindPair:
    """A real and a generated passage, both ``seconds`` long, to be told apart by ear."""

    seconds: float
    real: Passage
    generated: Passage


def choose_pairs(
    real: Mapping[str, np.ndarray], generated: np.ndarray, sample_rate_hz: int, n_pairs: int
) -> list[BlindPair]:
    """Up to ``n_pairs`` pairs, their passages evenly spread over real and generated audio.

    ``real`` has sounds by name; all are ``(n_samples,)`` at one rate. Passages do not overlap.
    There are fewer pairs, or none, where sounds are short or hardly to be heard.
    """
    longest = min(max(map(len, real.values())), len(generated)) / sample_rate_hz
    seconds = min(PASSAGE_SECONDS, longest)
    if seconds < SHORTEST_SECONDS:
        return []
    sides = [
        _audible(sounds, int(seconds * sample_rate_hz), sample_rate_hz)
        for sounds in (real, {"generated": generated})
    ]
    n_chosen = min(n_pairs, *map(len, sides))
    # In the middle of equal runs, so that one pair alone is not of where the continuation begins.
    chosen = [
        [side[(2 * number + 1) * len(side) // (2 * n_chosen)] for number in range(n_chosen)]
        for side in sides
    ]
    return [BlindPair(seconds, *_matched(*both)) for both in zip(*chosen, strict=True)]


def loudness_lkfs(samples: np.ndarray, sample_rate_hz: int) -> float:
    """Loudness of ``(n_samples,)`` by ITU-R BS.1770-5, not gated; -inf of silence.

    A sine of 997 Hz at full scale has -3.01 LKFS.
    """
    powers = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    power = 2 * float(np.sum(_k_weights(len(samples), sample_rate_hz) * powers)) / len(samples) ** 2
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * float(np.log10(power))


@lru_cache(maxsize=1)
def _k_weights(n_samples: int, sample_rate_hz: int) -> np.ndarray:
    """What K-weighting multiplies the power of each bin of a spectrum with."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(n_samples, 1 / sample_rate_hz) / _K_RATE_HZ)
    gains = [
        np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
        for above, below in _K_WEIGHTING
    ]
    return np.abs(np.prod(gains, axis=0)) ** 2


def _audible(
    sounds: Mapping[str, np.ndarray], n_samples: int, sample_rate_hz: int
) -> list[tuple[str, float, float]]:
    """Name, start in seconds and loudness of every passage of ``sounds`` that can be heard."""
    passages = [
        (name, start / sample_rate_hz, loudness_lkfs(sound[start:][:n_samples], sample_rate_hz))
        for name, sound in sounds.items()
        for start in range(0, len(sound) - n_samples + 1, n_samples)
    ]
    return [passage for passage in passages if passage[2] >= QUIETEST_LKFS]


def _matched(*passages: tuple[str, float, float]) -> list[Passage]:
    """The louder one is turned down to the other: nothing is clipped."""
    least = min(loudness for *_, loudness in passages)
    return [
        Passage(name, start, round(float(10 ** ((least - loudness) / 20)), 6))
        for name, start, loudness in passages
    ]
