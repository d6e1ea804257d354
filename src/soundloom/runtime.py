"""The machine under the numbers: Keras backend, threads and seeds, set before Keras is imported.

The same seed on the same number of threads gives the same bytes. Another number of threads, or
another kind of processor, rounds sums differently and gives other (equally good) ones.
"""

from __future__ import annotations

import os
import sys


def start_keras(seed: int, threads: int) -> None:
    """Choose the backend (``KERAS_BACKEND``, by default tensorflow), fix threads, seed everything.

    Call it once a process, before anything imports Keras.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    import keras

    keras.utils.set_random_seed(seed)
    if backend == "tensorflow":
        from soundloom import tensorflow_only

        tensorflow_only.be_deterministic()
