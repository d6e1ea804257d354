"""The machine under the numbers: Keras backend, threads and seeds, set before Keras is imported.

The same seed on the same number of threads gives the same bytes. Another number of threads, or
another kind of processor, rounds sums differently and gives other (equally good) ones.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def start_keras(seed: int, threads: int) -> None:
    """Choose the backend (``KERAS_BACKEND``, by default tensorflow), fix threads, seed everything.

    Call it before anything imports Keras: backend and threads cannot be changed afterwards.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    with _quiet_start():
        import keras

    # Weights are saved under their layers' names, which Keras numbers from here on.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    if backend == "tensorflow":
        from soundloom.common import tensorflow_only

        tensorflow_only.be_deterministic()


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep what TensorFlow's C++ logs at start (that oneDNN is in use, twice) off the terminal.

    It is written before any setting of the log's level is read. When the start fails it is shown.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
