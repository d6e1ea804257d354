"""Work on Dask's workers, on this machine or others: the same bytes as here, or an error.

A worker may have been started days ago, by hand, from other code. So each unit of work first looks
whether it runs on what this process runs on. Then it does as it would here: in the project's
folder, one unit at a time in a process, linear algebra on one thread. A worker that dies is made up
for by the others, which write the same files again.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import cloudpickle
import joblib
from threadpoolctl import threadpool_limits

from soundloom.common.config import ComputeConfig
from soundloom.common.environment import code_fingerprint, environment
from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.keras_setup import keras_backend
from soundloom.common.parallel import ELSEWHERE
from soundloom.common.threads import one_thread_for_linear_algebra

# Units handed in before the first of them is done: enough for hundreds of workers, few in memory.
_AHEAD = 1000
_PATIENCE_SECONDS = 30

# Of the process: a worker imports this module before any other of the package, so that files which
# were edited since tell.
_CODE = code_fingerprint()
_ONE_AT_A_TIME = Lock()


@contextmanager
def on_workers(config: ComputeConfig, keras_threads: int) -> Iterator[Workers]:
    """Within it, :func:`~soundloom.common.parallel.each_apart` works on Dask's workers.

    ``keras_threads`` is what a stage starts Keras with, if it does. Work raises
    :class:`SoundloomError` naming the key where nothing answers, workers are lost, or one is not as
    this process.
    """
    workers = Workers(config.address, keras_threads)
    token = ELSEWHERE.set(workers)
    try:
        yield workers
    finally:
        ELSEWHERE.reset(token)
        workers.leave()


class Workers:
    """The workers of a scheduler, joined when they are first needed: most stages need none."""

    def __init__(self, address: str, keras_threads: int):
        self._key = f"compute.address is {address!r}"
        self._address, self._keras_threads = address, keras_threads

    def __call__(
        self, function: Callable[..., Any], things: Sequence[Any], arguments: Sequence[Any]
    ) -> Iterator[Any]:
        """Give ``function(thing, *arguments)`` of each, in order."""

        # Sent by value, as it is within another: a worker that cannot even load what it is sent, as
        # it lacks this package, would not say so, but end.
        def unit(*of_work: Any) -> Any:
            from soundloom.common.dask_workers import on_worker

            return on_worker(*of_work)

        its = (footing(), self._keras_threads, str(Path.cwd()), self._key)
        waiting: deque[Any] = deque()
        for thing in things:
            # As bytes: Dask would look for its own things in it.
            work = cloudpickle.dumps((function, thing, arguments))
            waiting.append(self._client.submit(unit, work, *its, pure=False))
            if len(waiting) == _AHEAD:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def count(self) -> int:
        """How many there are; they are joined for this."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def leave(self) -> None:
        """Let go of the workers; what they have not begun, they will not."""
        if "_client" in vars(self):
            self._client.close()

    @cached_property
    def _client(self) -> Any:
        distributed = import_module("distributed")
        if not self._address:
            # Of one thread each, as a process does one unit at a time.
            return distributed.Client(
                n_workers=joblib.cpu_count(), threads_per_worker=1, dashboard_address=":0"
            )
        try:
            client = distributed.Client(self._address, timeout=_PATIENCE_SECONDS)
        except (OSError, ValueError, TypeError) as error:  # the last without certificates
            raise SoundloomError(
                f"{self._key}; it must be that of a Dask scheduler: {first_line(error)}"
            ) from None
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
        except TimeoutError:
            client.close()
            raise SoundloomError(
                f"{self._key}; its scheduler must have workers, and has none (docs/scale.md)"
            ) from None
        return client

    def _result(self, future: Any) -> Any:
        distributed = import_module("distributed")
        lost = (distributed.client.FutureCancelledError, distributed.KilledWorker)
        try:
            return future.result()
        except ModuleNotFoundError as error:
            raise SoundloomError(
                f"{self._key}; its workers must run in this project's environment: {error}"
            ) from None
        except lost as error:
            raise SoundloomError(
                f"{self._key}; its workers were lost: {first_line(error)}"
            ) from None


def on_worker(
    work: bytes, wanted: Mapping[str, str], keras_threads: int, folder: str, key: str
) -> Any:
    """On a worker: what the pickled ``work`` gives, if all is as it is where it comes from."""
    worker = import_module("distributed").get_worker().address
    other = [name for name, value in footing().items() if wanted.get(name) != value]
    if "keras" in sys.modules and os.environ.get("TF_NUM_INTRAOP_THREADS") != str(keras_threads):
        other.append("number of threads of Keras")
    if other:
        raise SoundloomError(
            f"{key}; its worker {worker} must run what runs here, and has another "
            f"{', '.join(other)}: start it anew (docs/scale.md)"
        )
    with _ONE_AT_A_TIME:
        try:
            os.chdir(folder)
        except OSError:
            raise SoundloomError(
                f"{key}; its worker {worker} must find the project at {folder!r}, and does not"
            ) from None
        one_thread_for_linear_algebra()
        function, thing, arguments = cloudpickle.loads(work)
        with threadpool_limits(1):
            return function(thing, *arguments)


@cache
def footing() -> dict[str, str]:
    """What decides which bytes come of work in this process, each by its digest."""
    found = {
        "code": _CODE,
        "KERAS_BACKEND": keras_backend(),
        **environment(),
    }
    return {name: sha256(repr(value).encode()).hexdigest()[:16] for name, value in found.items()}
