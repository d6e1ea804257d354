"""Arithmetic that the NumPy side of several networks shares."""

from __future__ import annotations

import numpy as np


def rowwise_matmul(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``rows @ matrix``, each row by itself: ``(n, k), (k, m)`` → ``(n, m)``.

    A product of all rows at once rounds differently with their number; a continuation would then
    depend, after a while audibly, on how many others are made beside it.
    """
    return np.matmul(rows[:, None, :], matrix)[:, 0]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Through tanh, which saturates without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))
