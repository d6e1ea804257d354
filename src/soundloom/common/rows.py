"""Rows that come a few at a time and are wanted as one array: where they wait, others choose."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Rows(Protocol):
    """Rows ``(n, …)`` of one shape and type."""

    def append(self, rows: np.ndarray) -> None:
        """Put rows behind those there are."""

    def joined(self) -> np.ndarray:
        """All rows on end, to be read only; none come after it."""


class RowsInMemory:
    """The :class:`Rows` that wait in memory."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def append(self, rows: np.ndarray) -> None:
        """See :class:`Rows`."""
        self._parts.append(rows)

    def joined(self) -> np.ndarray:
        """See :class:`Rows`."""
        return np.concatenate(self._parts)
