"""DVC's queue, of this machine alone: experiments that are to be run, and what became of them."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tqdm import tqdm

from soundloom.common.errors import SoundloomError
from soundloom.experiments.repository import command

# Each look starts DVC, for two seconds of a processor that the experiments could use.
_POLL_SECONDS = 8.0
# How many looks in a row may find nothing at work: to begin takes a busy machine a while.
_PATIENCE = 4
_NOT_ENDED, _ENDED = {"queued", "running"}, {"success", "failed"}


def check_free(*, but: Collection[str] = ()) -> None:
    """Raise :class:`SoundloomError` when tasks, others than ``but``, have not ended."""
    states = _states()
    if any(state in _NOT_ENDED for name, state in states.items() if name not in but):
        raise SoundloomError("DVC's queue holds tasks that have not ended; see `dvc queue status`")


def run_all(experiments: Mapping[str, Mapping[str, Any]], jobs: int, bar: tqdm) -> set[str]:
    """Run experiments, ``jobs`` at a time, in the working directory; returns those that failed.

    ``experiments`` has what each changes in ``params.yaml``, ``{"section.key": value}``, by a name
    that git can give a reference. What was left under that name is removed; a task of it that has
    not ended is waited for. What DVC has in its run-cache is restored, in seconds. ``bar`` counts
    those that ended.

    Raises :class:`SoundloomError` when DVC refuses one.
    """
    states = _states()
    new = {name: its for name, its in experiments.items() if states.get(name) not in _NOT_ENDED}
    _forget(new, states)
    for name, changes in new.items():
        settings = [f"--set-param={key}={_text(value)}" for key, value in changes.items()]
        command("dvc", "exp", "run", "--queue", "--name", name, *settings)
    start = ("dvc", "queue", "start", "--jobs", str(jobs))
    command(*start)
    ended: set[str] = set()
    idle_looks = 0
    while ended != set(experiments):
        time.sleep(_POLL_SECONDS)
        states = _states()
        now = {name for name in experiments if states.get(name) in _ENDED}
        bar.update(len(now) - len(ended))
        ended = now
        # A worker that found the queue empty, just before, ends and takes none of these.
        idle_looks = 0 if "running" in states.values() else idle_looks + 1
        if idle_looks == _PATIENCE:
            command(*start)
            idle_looks = 0
    return {name for name in experiments if states[name] == "failed"}


def _states() -> dict[str, str | None]:
    """State of every experiment of this commit, by name: queued, running, success or failed.

    None is the state of an experiment that no task of the queue belongs to.
    """
    show = ("dvc", "exp", "show", "--json", "--hide-workspace")
    try:
        printed = command(*show)
    except SoundloomError:
        # DVC reads the folders of running tasks; a task that ends meanwhile removes its own.
        printed = command(*show)
    return {
        experiment["name"]: (experiment["executor"] or {}).get("state")
        for commit in json.loads(printed)
        for experiment in commit["experiments"] or []
    }


def _forget(experiments: Iterable[str], states: Mapping[str, str | None]) -> None:
    """Remove what was left under these names.

    DVC's ``--force`` would make room for them too, and run every stage again.
    """
    known = sorted(set(experiments) & set(states))
    if tasks := [name for name in known if states[name] is not None]:
        command("dvc", "queue", "remove", *tasks)
    if kept := [name for name in known if states[name] != "failed"]:
        command("dvc", "exp", "remove", *kept)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str | bool | list) else str(value)
