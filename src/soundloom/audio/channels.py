"""Which channels of a recording are averaged to one: those that have sound, if it survives that."""

from __future__ import annotations

import math

import numpy as np

# A channel with less than this share of the loudest one's power (-40 dB) is empty.
EMPTY = 1e-4

# Channels that have nothing to do with each other leave a known power when they are averaged. If
# less than this share of it is left (-6 dB), they cancel each other: one of them is upside down.
CANCELLED = 0.25

# They do so, too, if it happens in more than this share of the seconds in which there is sound.
SHARE_OF_SECONDS = 0.1

# Mean square of a second without sound, -80 dBFS.
SOUNDLESS = 1e-8


class Powers:
    """The power of every channel, and what every two have in common, over all blocks added.

    A constant offset is no sound, and does not count.
    """

    def __init__(self, n_channels: int, sample_rate_hz: int) -> None:
        self._second = sample_rate_hz
        self._n_frames = 0
        self._sums = np.zeros(n_channels)
        self._products = np.zeros((n_channels, n_channels))
        # Seconds with sound; those in which all channels cancel each other, and every two of them.
        self._n_seconds = self._n_cancelled = 0
        self._n_pairs_cancelled = np.zeros((n_channels, n_channels), np.int64)

    def add(self, block: np.ndarray) -> None:
        """Add a block ``(n_frames, n_channels)``."""
        for start in range(0, len(block), self._second):
            second = block[start : start + self._second].astype(np.float64)
            sums, products = second.sum(axis=0), second.T @ second
            covariances = _covariances(sums, products, len(second))
            if covariances.diagonal().max() > SOUNDLESS:  # not so where they are not finite
                self._n_seconds += 1
                self._n_cancelled += _cancel(covariances)
                self._n_pairs_cancelled += _pairs_cancel(covariances)
            self._n_frames += len(second)
            self._sums += sums
            self._products += products

    def choose(self) -> tuple[list[int], str | None]:
        """Which channels to average, and why no others.

        All; without the empty ones; of two that cancel each other only the louder; or the loudest
        alone, if they still do so together. All, too, if there are samples that are not finite.
        """
        covariances = _covariances(self._sums, self._products, self._n_frames)
        n_channels = len(covariances)
        powers = covariances.diagonal()
        if not np.isfinite(covariances).all() or powers.max() <= 0:
            return list(range(n_channels)), None
        sounding = [
            number for number in range(n_channels) if powers[number] >= EMPTY * powers.max()
        ]
        often = SHARE_OF_SECONDS * self._n_seconds
        pairs = _pairs_cancel(covariances) | (self._n_pairs_cancelled > often)
        chosen: list[int] = []
        # Of equally loud ones the first, however their powers are rounded.
        for number in sorted(sounding, key=lambda number: -round(math.log(powers[number]), 6)):
            if not pairs[number, chosen].any():
                chosen.append(number)
        is_often = self._n_cancelled > often and len(chosen) == len(sounding)
        if is_often or _cancel(covariances[np.ix_(chosen, chosen)]):
            chosen = chosen[:1]
        if len(chosen) < len(sounding):
            chosen.sort()
            return chosen, f"its channels cancel each other: {_only(chosen, n_channels)}"
        if len(chosen) == n_channels:
            return sounding, None
        return sounding, f"its other channels are empty: {_only(sounding, n_channels)}"


def _covariances(sums: np.ndarray, products: np.ndarray, n_frames: int) -> np.ndarray:
    """``(n_channels, n_channels)``, the powers its diagonal; NaN or infinite where samples are."""
    means = sums / max(1, n_frames)
    with np.errstate(invalid="ignore", over="ignore"):
        return products / max(1, n_frames) - np.outer(means, means)


def _cancel(covariances: np.ndarray) -> bool:
    """Whether channels cancel each other when all are averaged."""
    return bool(covariances.sum() < CANCELLED * covariances.trace())


def _pairs_cancel(covariances: np.ndarray) -> np.ndarray:
    """``(n_channels, n_channels)``: which two would cancel each other, averaged by themselves."""
    powers = covariances.diagonal()
    both = powers[:, None] + powers
    return (both + 2 * covariances < CANCELLED * both) & (both > SOUNDLESS)


def _only(chosen: list[int], n_channels: int) -> str:
    numbers = ", ".join(str(number + 1) for number in chosen)
    what = f"channel {numbers} of {n_channels} is" if len(chosen) == 1 else ""
    return f"only {what or f'channels {numbers} of {n_channels} are'} used"
