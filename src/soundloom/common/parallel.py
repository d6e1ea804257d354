"""One function over many things, on all cores, in order, behind a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm


def each(
    function: Callable[..., Any],
    things: Sequence[Any],
    *arguments: Any,
    desc: str | None = None,
    unit: str = "clip",
    jobs: int | None = None,
) -> list[Any]:
    """``[function(thing, *arguments) for thing in things]`` on threads.

    Threads, since what runs here is NumPy's, which lets go of the interpreter, and each worker
    process would spend seconds importing it. Linear algebra keeps to one thread a call, however
    many cores the machine has, so that the bytes of the results do not depend on it. ``jobs`` is by
    default the number of cores. Without ``desc`` there is no progress bar.
    """
    jobs = max(1, min(jobs or joblib.cpu_count(), len(things)))
    workers = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    calls = (joblib.delayed(function)(thing, *arguments) for thing in things)
    with threadpool_limits(1):
        done = workers(calls)
        return list(tqdm(done, total=len(things), desc=desc, unit=unit, disable=desc is None))
