"""The machine under the numbers: Keras backend, threads and seeds, set before Keras is imported.

The same seed on the same number of threads gives the same bytes. Another number of threads, or
another kind of processor, rounds sums differently and gives other (equally good) ones.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

from soundloom.common.errors import SoundloomError

_BACKENDS = ("tensorflow", "jax")
# What Keras and TensorFlow import where it is installed, for parts of theirs that nothing here
# uses: data frames, pictures, wrappers. A good third of the seconds that they take to start.
_FOR_OTHERS = ("matplotlib", "pandas", "sklearn")


def keras_backend() -> str:
    """The backend that ``KERAS_BACKEND`` names, whether there is one or not; or tensorflow."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def check_backend() -> None:
    """Check that Keras can start, as far as can be told at no cost.

    Raises :class:`SoundloomError` where :func:`keras_backend` is none that models run on, or is not
    installed.
    """
    backend = keras_backend()
    if backend in _BACKENDS and find_spec(backend):
        return
    absent = ", which is not installed" if backend in _BACKENDS else ""
    raise SoundloomError(
        f"KERAS_BACKEND is {backend!r}{absent}; it must be {' or '.join(map(repr, _BACKENDS))} "
        "(`make scale` installs JAX)"
    )


def start_keras(seed: int, threads: int) -> None:
    """Choose the backend (``KERAS_BACKEND``, by default tensorflow), fix threads, seed everything.

    Call it before anything imports Keras: backend and threads cannot be changed afterwards. Raises
    :class:`SoundloomError` as :func:`check_backend` does.
    """
    check_backend()
    backend = os.environ["KERAS_BACKEND"] = keras_backend()
    is_first = "keras" not in sys.modules
    needless = _FOR_OTHERS if backend == "jax" else (*_FOR_OTHERS, "jax")
    if is_first:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    with _quiet_start() if is_first else nullcontext(), _without(needless):
        import keras

    # Weights are saved under their layers' names, which Keras numbers from here on.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    if backend == "tensorflow":
        from soundloom.common import tensorflow_only

        tensorflow_only.be_deterministic()


class _Absent(MetaPathFinder):
    """Has the imports of one thread find nothing by some names, which others find as ever."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    """Have packages that are optional to others count as absent, unless imported before."""
    absent = _Absent(names)
    # Another list: other threads may be half-way through this one.
    sys.meta_path = [absent, *sys.meta_path]
    try:
        yield
    finally:
        sys.meta_path = [finder for finder in sys.meta_path if finder is not absent]


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep what TensorFlow's C++ logs at start (that oneDNN is in use, twice) off the terminal.

    It is written before any setting of the log's level is read. When the start fails it is shown.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:

        def show() -> None:
            aside.seek(0)
            os.write(terminal, aside.read())

        os.dup2(aside.fileno(), 2)
        # The program may end, and say why, while this goes on in a thread that nobody waits for.
        atexit.register(show)
        try:
            yield
        except BaseException:
            show()
            raise
        finally:
            os.dup2(terminal, 2)
            atexit.unregister(show)
            os.close(terminal)
