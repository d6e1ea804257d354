"""Which channels of a recording are averaged to one: those that have sound, if it survives that."""

from __future__ import annotations

import numpy as np

# A channel with less than this share of the loudest one's power (-40 dB) is empty.
EMPTY = 1e-4

# Channels that have nothing to do with each other leave a known power when they are averaged. If
# less than this share of it is left (-6 dB), they cancel each other: one of them is upside down.
CANCELLED = 0.25


class Powers:
    """The power of every channel and of their average, over all blocks added.

    A constant offset is no sound, and does not count.
    """

    def __init__(self, n_channels: int) -> None:
        self._n_frames = 0
        self._sums = np.zeros(n_channels + 1)
        self._squares = np.zeros(n_channels + 1)

    def add(self, block: np.ndarray, average: np.ndarray) -> None:
        """Add a block ``(n_frames, n_channels)`` and the average of its channels."""
        self._n_frames += len(block)
        self._sums += [*block.sum(axis=0, dtype=np.float64), average.sum(dtype=np.float64)]
        squares = (np.square(samples, dtype=np.float64).sum(axis=0) for samples in (block, average))
        self._squares += np.hstack(list(squares))

    def choose(self) -> tuple[list[int], str | None]:
        """Which channels to average, and why no others.

        All; without the empty ones; or the loudest alone, if they cancel each other. All, too, if
        there are samples that are not finite.
        """
        means = self._sums / max(1, self._n_frames)
        powers = self._squares / max(1, self._n_frames)
        n_channels = len(powers) - 1
        if not np.isfinite(powers).all():
            return list(range(n_channels)), None
        *channels, average = (powers - np.square(means)).clip(min=0.0).tolist()
        loudest = max(channels)
        if average < CANCELLED * sum(channels) / n_channels**2:
            chosen = [channels.index(loudest)]
            return chosen, f"its channels cancel each other: {_only(chosen, n_channels)}"
        chosen = [number for number, power in enumerate(channels) if power >= EMPTY * loudest]
        if len(chosen) == n_channels:
            return chosen, None
        return chosen, f"its other channels are empty: {_only(chosen, n_channels)}"


def _only(chosen: list[int], n_channels: int) -> str:
    numbers = ", ".join(str(number + 1) for number in chosen)
    return f"only {numbers} of 1 to {n_channels} used"
