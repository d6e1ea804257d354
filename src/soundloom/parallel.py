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
    desc: str,
    unit: str = "clip",
    jobs: int | None = None,
) -> list[Any]:
    """``[function(thing, *arguments) for thing in things]`` in worker processes.

    Each call has one BLAS thread, however many cores the machine has, so that the bytes of the
    results do not depend on it. ``jobs`` is by default the number of cores.
    """
    jobs = max(1, min(jobs or joblib.cpu_count(), len(things)))
    workers = joblib.Parallel(n_jobs=jobs, return_as="generator")
    results = workers(joblib.delayed(_alone)(function, thing, *arguments) for thing in things)
    return list(tqdm(results, total=len(things), desc=desc, unit=unit))


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    # OpenBLAS rounds sums differently on another number of threads.
    with threadpool_limits(1):
        return function(*arguments)
