"""What TensorFlow alone can do, but for ``tfrecord.py``: determinism, checkpoints of TF 1."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def be_deterministic() -> None:
    """Make a GPU give the same bytes again, or fail when it cannot.

    A CPU does so when its threads are fixed; there the switch would only turn XLA off in Keras.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def read_checkpoint(prefix: str) -> dict[str, np.ndarray]:
    """All variables of a TensorFlow checkpoint by name; ``prefix`` is what its files begin with.

    Raises ``tf.errors.OpError`` (no such checkpoint, or damaged).
    """
    reader = tf.compat.v1.train.NewCheckpointReader(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
