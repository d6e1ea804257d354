"""Levels ⇄ [0, 1], by the lowest and the highest level of training audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LevelScaler:
    """Min-max scaling, with float32 extremes: ``(1,)`` for all bins at once or ``(n_bins,)``.

    The arithmetic of scikit-learn's ``MinMaxScaler``, to the bit; but to import that takes two
    seconds of processor, in every stage that reads a codec and each of its worker processes.
    """

    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def fit(cls, levels: np.ndarray, *, per_bin: bool) -> LevelScaler:
        """For the extremes of ``(n, n_bins)``, of each bin or of all together."""
        columns = levels.astype(np.float32) if per_bin else levels.astype(np.float32).reshape(-1, 1)
        return cls(columns.min(axis=0), columns.max(axis=0))

    def unit(self, levels: np.ndarray) -> np.ndarray:
        """``(…, n_bins)`` of a float type → [0, 1], of the same; clipped beyond the extremes."""
        scale, offset = self._line()
        values = levels.copy()
        values *= scale
        values += offset
        return np.clip(values, 0.0, 1.0, out=values)

    def levels(self, unit: np.ndarray) -> np.ndarray:
        """Undo :meth:`unit`; what lies outside [0, 1] is not clipped."""
        scale, offset = self._line()
        values = unit.copy()
        values -= offset
        values /= scale
        return values

    def _line(self) -> tuple[np.ndarray, np.ndarray]:
        """Factor and what is added to it."""
        span = self.highest - self.lowest
        span[span < 10 * np.finfo(np.float32).eps] = 1.0  # where nothing differs
        scale = np.float32(1.0) / span
        return scale, np.float32(0.0) - self.lowest * scale
