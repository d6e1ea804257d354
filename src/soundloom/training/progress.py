"""Where a training is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Row = dict[str, float]
"""``epoch`` (from 1), ``loss``, ``val_loss``, ``learning_rate``."""


@dataclass(frozen=True)
class Progress:
    """A training after an epoch: all that the epochs to come depend on, beside model and batches.

    What is drawn for batches is drawn from ``train.seed`` and the epoch's number.
    """

    history: list[Row]
    """A row for every epoch so far."""
    state: list[np.ndarray]
    """Every variable of the network, its random generators' too, and of the optimizer."""
    best_weights: list[np.ndarray]
    """The network's weights after the epoch of least ``val_loss``."""


OnProgress = Callable[[Progress], None]
