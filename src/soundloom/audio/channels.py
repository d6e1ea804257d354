"""Which channels of a recording are averaged to one: those that have sound, if it survives that."""

from __future__ import annotations

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
    """The power of every channel and of their average, over all blocks added.

    A constant offset is no sound, and does not count.
    """

    def __init__(self, n_channels: int, sample_rate_hz: int) -> None:
        self._second = sample_rate_hz
        self._n_frames = 0
        self._sums = np.zeros(n_channels + 1)
        self._squares = np.zeros(n_channels + 1)
        self._n_seconds = self._n_cancelled = 0

    def add(self, block: np.ndarray, average: np.ndarray) -> None:
        """Add a block ``(n_frames, n_channels)`` and the average of its channels."""
        for start in range(0, len(block), self._second):
            second = slice(start, start + self._second)
            both = block[second], average[second]
            sums = np.hstack([samples.sum(axis=0, dtype=np.float64) for samples in both])
            squares = np.hstack(
                [np.square(samples, dtype=np.float64).sum(axis=0) for samples in both]
            )
            n_frames = len(both[0])
            powers = _powers(sums, squares, n_frames)
            if powers[:-1].max() > SOUNDLESS:  # not so where they are not finite
                self._n_seconds += 1
                self._n_cancelled += _cancel(powers)
            self._n_frames += n_frames
            self._sums += sums
            self._squares += squares

    def choose(self) -> tuple[list[int], str | None]:
        """Which channels to average, and why no others.

        All; without the empty ones; or the loudest alone, if they cancel each other. All, too, if
        there are samples that are not finite.
        """
        powers = _powers(self._sums, self._squares, self._n_frames)
        n_channels = len(powers) - 1
        if not np.isfinite(powers).all():
            return list(range(n_channels)), None
        channels = powers[:-1].tolist()
        loudest = max(channels)
        if _cancel(powers) or self._n_cancelled > SHARE_OF_SECONDS * self._n_seconds:
            chosen = [channels.index(loudest)]
            return chosen, f"its channels cancel each other: {_only(chosen, n_channels)}"
        chosen = [number for number, power in enumerate(channels) if power >= EMPTY * loudest]
        if len(chosen) == n_channels:
            return chosen, None
        return chosen, f"its other channels are empty: {_only(chosen, n_channels)}"


def _powers(sums: np.ndarray, squares: np.ndarray, n_frames: int) -> np.ndarray:
    """Mean squares about the mean; NaN or infinite where samples are."""
    means = sums / max(1, n_frames)
    with np.errstate(invalid="ignore", over="ignore"):
        return (squares / max(1, n_frames) - np.square(means)).clip(min=0.0)


def _cancel(powers: np.ndarray) -> bool:
    """Whether channels of these powers, of which the last is their average's, cancel each other."""
    n_channels = len(powers) - 1
    return bool(powers[-1] < CANCELLED * powers[:-1].sum() / n_channels**2)


def _only(chosen: list[int], n_channels: int) -> str:
    numbers = ", ".join(str(number + 1) for number in chosen)
    return f"only {numbers} of 1 to {n_channels} used"
