"""Principal components of rows that come in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits


@dataclass(frozen=True)
class Components:
    """Directions in which rows vary most, the first most; float64."""

    mean: np.ndarray
    """``(n_values,)``: what a row is on average."""
    basis: np.ndarray
    """``(n_components, n_values)``: orthogonal, of length 1, the largest entry positive."""
    variances: np.ndarray
    """``(n_components,)``, not negative, descending."""


def fit_components(batches: Iterable[np.ndarray], n_components: int) -> Components:
    """Of batches ``(…, n_values)``: at most ``n_components``, no more than a row has values."""
    count, total, products = 0, np.zeros(()), np.zeros(())
    with threadpool_limits(1):  # the same sums on any number of cores
        for batch in batches:
            rows = batch.reshape(-1, batch.shape[-1]).astype(np.float64)
            count += len(rows)
            total = total + rows.sum(axis=0)
            products = products + rows.T @ rows
        mean = total / count
        variances, directions = np.linalg.eigh(products / count - np.outer(mean, mean))
    largest_first = np.argsort(variances)[::-1][:n_components]
    basis = directions[:, largest_first].T
    # A direction's sign is the solver's whim: make its largest entry positive.
    largest = np.abs(basis).argmax(axis=1)[:, None]
    basis = basis * np.sign(np.take_along_axis(basis, largest, axis=1))
    return Components(mean, basis, np.maximum(variances[largest_first], 0.0))
