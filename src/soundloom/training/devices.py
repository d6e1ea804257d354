"""Several devices for one training: each computes its share of every batch (data parallelism).

The weights are the same on all of them, and so are the gradients, which are summed over the whole
batch: training is that of one device but for the rounding of those sums. Keras does it, on JAX.
"""

from __future__ import annotations

import keras
import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.models.base import Example


def use_devices(n: int) -> None:
    """Share every batch among the first ``n`` devices, ``compute.devices``; 0 and 1: one alone.

    Call it before a network is built: its weights lie where they are made. Raises
    :class:`SoundloomError` where there are fewer.
    """
    if n < 2:
        return
    found = keras.distribution.list_devices()
    if n > len(found):
        raise SoundloomError(
            f"compute.devices is {n}; it must be at most {len(found)}, the devices that "
            f"{keras.config.backend()} finds ({', '.join(found)})"
        )
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found[:n]))


def n_devices() -> int:
    """How many share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def shareable(example: Example, n: int) -> Example:
    """``example`` with as many windows for each of ``n`` devices, and with weights.

    An epoch's last batch may hold too few: some of its windows then come twice, the second time
    with a weight of 0.
    """
    n_windows, n_steps = example.targets.shape[:2]
    numbers = np.arange(-(-n_windows // n) * n)
    weights = np.ones((n_windows, n_steps), np.float32)
    inputs, targets, weights = keras.tree.map_structure(
        lambda values: values[numbers % n_windows],
        (example.inputs, example.targets, weights if example.weights is None else example.weights),
    )
    weights[n_windows:] = 0.0
    return Example(inputs, targets, weights)
