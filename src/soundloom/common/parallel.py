"""One function over many things, in order, behind a progress bar: here, or on workers elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm

Elsewhere = Callable[[Callable[..., Any], Sequence[Any], Sequence[Any]], Iterable[Any]]
"""``elsewhere(function, things, arguments)`` gives ``function(thing, *arguments)`` of each."""

ELSEWHERE: ContextVar[Elsewhere | None] = ContextVar("elsewhere", default=None)
"""Where :func:`each_apart` works, if not here; see :mod:`soundloom.common.dask_workers`."""


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
    done = _here(function, things, arguments, jobs, prefer="threads")
    return list(_shown(done, things, desc, unit))


def each_apart(
    function: Callable[..., Any],
    things: Sequence[Any],
    *arguments: Any,
    desc: str,
    unit: str = "clip",
    jobs: int | None = None,
    processes: bool = False,
    failed: Callable[[Any], bool] | None = None,
) -> Iterator[Any]:
    """The same of units of work that share no memory: also on other machines, if so configured.

    Results come one by one, in order; no more of them are held than have not been taken yet.
    Whatever a unit needs is pickled with it, functions within functions too, so let it be little:
    the name of a file, not its samples. Here it runs on threads, or in ``processes``. What has
    ``failed`` elsewhere, as for want of a file that only this machine has, is tried again here.
    """
    if elsewhere := ELSEWHERE.get():
        done = elsewhere(function, things, arguments)
        if failed:
            done = (
                function(thing, *arguments) if failed(result) else result
                for thing, result in zip(things, done, strict=True)
            )
    else:
        done = _here(function, things, arguments, jobs, None if processes else "threads")
    return _shown(done, things, desc, unit)


def _here(
    function: Callable[..., Any],
    things: Sequence[Any],
    arguments: Sequence[Any],
    jobs: int | None,
    prefer: str | None,
) -> Iterator[Any]:
    jobs = max(1, min(jobs or joblib.cpu_count(), len(things)))
    workers = joblib.Parallel(n_jobs=jobs, prefer=prefer, return_as="generator")
    with threadpool_limits(1):
        yield from workers(joblib.delayed(function)(thing, *arguments) for thing in things)


def _shown(
    done: Iterable[Any], things: Sequence[Any], desc: str | None, unit: str
) -> Iterator[Any]:
    return iter(tqdm(done, total=len(things), desc=desc, unit=unit, disable=desc is None))
