"""How a process ends while threads of its are still at work, as they are after Ctrl+C."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def exit_status_kept() -> Iterator[None]:
    """Have the process that leaves this end with that status, whatever its threads are at.

    Python ends a thread once that comes back, out of C, to an interpreter that is being taken
    apart. Within destructors of C++, as in soxr and SciPy's FFT, that aborts the process. So where
    there are threads, it ends just before. Enter it before all else: of what is registered for the
    end, the first is called last.
    """
    status: int | None = None

    def leave() -> None:
        if status is not None and threading.active_count() > 1:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                with suppress(OSError):
                    stream.flush()
            os._exit(status)

    atexit.register(leave)
    try:
        yield
        status = 0
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            status = ending.code or 0
        raise
