"""A study: variants that differ on purpose, run through DVC's queue, compared by MLflow's numbers.

It is written as a YAML file: ``base`` changes every variant, ``variants`` names each and what it
changes beside that, ``columns`` the numbers to compare.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from tqdm import tqdm

from soundloom.common.errors import SoundloomError
from soundloom.common.params import Section, flattened, read_params, with_keys
from soundloom.config import Config
from soundloom.experiments.repository import check_readable, command
from soundloom.experiments.store import FinishedRun, RunStore

# Experiments of a study are named so, to tell them from the user's own.
_PREFIX = "study-"
# Each look starts DVC, for two seconds of a processor that the variants could use.
_POLL_SECONDS = 8.0


class Column(Section):
    """A number of each run: its metric in MLflow, divided by another where ``over`` names one."""

    title: str
    metric: str
    over: str | None = None
    best: Literal["lowest", "highest"] | None = None


class Study(Section):
    """What a study runs and what it compares."""

    title: str
    shared: list[str] = Field(default_factory=list)
    """Stages brought up to date in the workspace first, or every job would begin with them."""
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
    base: dict[str, Any] = Field(default_factory=dict)
    variants: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    columns: Annotated[list[Column], Field(min_length=1)]

    def changes(self, variant: str) -> dict[str, Any]:
        """All that a variant changes in ``params.yaml``, ``{"section.key": value}``."""
        return {**self.base, **self.variants[variant]}


@dataclass(frozen=True)
class Row:
    """A variant of a study as it ended."""

    name: str
    run: FinishedRun | None
    """None: it failed, or MLflow does not know it."""


def read_study(path: Path) -> Study:
    """Read a study and check every variant's parameters as if written in ``params.yaml``.

    Raises :class:`SoundloomError` that names the file, and the variant whose parameters are wrong.
    """
    study = Study.parse(read_params(path), str(path))
    params = read_params()
    for name in study.variants:
        Config.parse(with_keys(params, study.changes(name)), f"{path}: {name}")
    return study


def run(study: Study) -> None:
    """Run every variant through DVC's queue, ``study.jobs`` at a time, in the working directory.

    What DVC has in its run-cache is restored, so a study run again takes seconds.

    Raises :class:`SoundloomError` when git will not read the repository, DVC refuses a variant, or
    tasks of the user's own have not ended.
    """
    check_readable()
    # DVC keeps an experiment as a git reference, whose name holds no spaces.
    names = {name: _PREFIX + re.sub(r"[^\w-]+", "-", name) for name in study.variants}
    before = _states()
    if {"queued", "running"} & set(before.values()):
        raise SoundloomError("DVC's queue holds tasks that have not ended; see `dvc queue status`")
    _forget(names.values(), before)
    if study.shared:
        print(f"study: bringing {', '.join(study.shared)} up to date, for all variants")
        command("dvc", "repro", *study.shared)
    for name, experiment in names.items():
        settings = [f"--set-param={key}={_text(v)}" for key, v in study.changes(name).items()]
        command("dvc", "exp", "run", "--queue", "--name", experiment, *settings)
    command("dvc", "queue", "start", "--jobs", str(study.jobs))
    with tqdm(total=len(names), desc="study", unit="variant") as bar:
        while bar.n < len(names):
            time.sleep(_POLL_SECONDS)
            states = _states()
            ended = [name for name in names.values() if states.get(name) in ("success", "failed")]
            bar.update(len(ended) - bar.n)


def read_rows(study: Study, store: RunStore) -> list[Row]:
    """What MLflow knows of every variant of the study."""
    rows, params = [], read_params()
    for name in study.variants:
        changed = flattened(with_keys(params, study.changes(name)))
        run = store.find_latest({key: str(value) for key, value in changed.items()})
        rows.append(Row(name, run))
    return rows


def table(study: Study, rows: Sequence[Row]) -> str:
    """The comparison, as Markdown; the best number of a column is bold."""
    values = {column.title: [_value(row, column) for row in rows] for column in study.columns}
    lines = [
        f"# {study.title}",
        "",
        "Every variant changes "
        + (_changes(study.base) if study.base else "nothing")
        + ", and what its row says. The numbers are MLflow's; `soundloom restore RUN` brings one "
        "of them back.",
        "",
        "| " + " | ".join(["variant", "changes", *values, "run"]) + " |",
        "|---" * 2 + "|--:" * len(values) + "|---|",
    ]
    for number, row in enumerate(rows):
        cells = [row.name, _changes(study.variants[row.name])]
        for column in study.columns:
            value = values[column.title][number]
            best = value is not None and value == _best(column, values[column.title])
            cells.append("–" if value is None else f"**{value:.4g}**" if best else f"{value:.4g}")
        cells.append(f"`{row.run.run_id}`" if row.run else "failed: see `dvc queue logs`")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


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
    """Remove what an earlier study left under these names.

    DVC's ``--force`` would make room for them too, and run every stage again.
    """
    known = sorted(set(experiments) & set(states))
    if tasks := [name for name in known if states[name] is not None]:
        command("dvc", "queue", "remove", *tasks)
    if kept := [name for name in known if states[name] != "failed"]:
        command("dvc", "exp", "remove", *kept)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str | bool | list) else str(value)


def _changes(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}={value}`" for key, value in changes.items()) or "–"


def _value(row: Row, column: Column) -> float | None:
    if row.run is None:
        return None
    value = row.run.metrics.get(column.metric)
    if column.over is None or value is None:
        return value
    divisor = row.run.metrics.get(column.over)
    return value / divisor if divisor else None


def _best(column: Column, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if column.best is None or not known:
        return None
    return min(known) if column.best == "lowest" else max(known)
