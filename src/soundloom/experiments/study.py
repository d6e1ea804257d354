"""A study: variants that differ on purpose, run through DVC's queue and compared by MLflow's data.

The plan is a YAML file: ``base`` changes every variant, ``variants`` names each and what it changes
beside that, ``columns`` the numbers to compare.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from soundloom.common.errors import SoundloomError
from soundloom.common.paths import PARAMS_FILE
from soundloom.config import load_config, parse_config, with_keys
from soundloom.experiments.repository import command
from soundloom.experiments.runs import FinishedRun, RunStore
from soundloom.experiments.variant import flatten

# Experiments of a study are named so, to be told from the user's own.
_PREFIX = "study-"
# Asking starts a DVC, which takes a second of what the variants could use.
_POLL_SECONDS = 8.0
_ENDED = ("Success", "Failed")
_STATUSES = ("Queued", "Running", *_ENDED)


class Column(BaseModel):
    """A number of each run: its metric in MLflow, over another's where ``over`` names one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    metric: str
    over: str | None = None
    best: str | None = Field(None, pattern="^(lowest|highest)$")


class Plan(BaseModel):
    """What a study runs and what it compares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    shared: tuple[str, ...] = ()
    """Stages brought up to date in the workspace first: else every job would begin by them."""
    jobs: int = Field(1, ge=1, le=64)
    base: dict[str, Any] = {}
    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    columns: tuple[Column, ...] = Field(min_length=1)

    def changes(self, name: str) -> dict[str, Any]:
        """All that a variant changes in ``params.yaml``, ``{"section.key": value}``."""
        return {**self.base, **self.variants[name]}


@dataclass(frozen=True)
class Row:
    """A variant of a study as it ended."""

    name: str
    run: FinishedRun | None
    """None: it failed, or MLflow does not know it."""


def read_plan(path: Path) -> Plan:
    """Read a plan and check every variant's parameters as if written in ``params.yaml``.

    Raises :class:`SoundloomError` that names the file, and the variant whose parameters are wrong.
    """
    try:
        plan = Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SoundloomError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise SoundloomError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SoundloomError(f"{path}: {place}: {first['msg']}") from None
    params = _params()
    for name in plan.variants:
        parse_config(with_keys(params, plan.changes(name)), f"{path}: {name}")
    return plan


def run(plan: Plan) -> None:
    """Run every variant through DVC's queue, ``plan.jobs`` at a time, from the working directory.

    What DVC has in its run-cache is restored, so a study run again takes seconds.

    Raises :class:`SoundloomError` when DVC refuses a variant, or tasks of the user's own wait.
    """
    before = _statuses()
    if set(before.values()) - set(_ENDED):
        raise SoundloomError("DVC's queue holds tasks that have not ended; see `dvc queue status`")
    # DVC keeps an experiment as a git reference, whose name holds no spaces.
    names = {name: _PREFIX + re.sub(r"[^\w-]+", "-", name) for name in plan.variants}
    _forget(set(names.values()), set(before))
    if plan.shared:
        print(f"study: bringing {', '.join(plan.shared)} up to date, for all variants")
        command("dvc", "repro", *plan.shared)
    for name, experiment in names.items():
        settings = [f"--set-param={key}={_text(v)}" for key, v in plan.changes(name).items()]
        command("dvc", "exp", "run", "--queue", "--name", experiment, *settings)
    command("dvc", "queue", "start", "--jobs", str(plan.jobs))
    with tqdm(total=len(names), desc="study", unit="variant") as bar:
        while bar.n < len(names):
            time.sleep(_POLL_SECONDS)
            statuses = _statuses()
            ended = [name for name in names if statuses.get(names[name]) in _ENDED]
            bar.update(len(ended) - bar.n)


def _forget(experiments: set[str], in_queue: set[str]) -> None:
    """Remove what an earlier study left under these names.

    DVC's ``--force`` would make room for them too, and run every stage again.
    """
    if told_before := sorted(experiments & in_queue):
        command("dvc", "queue", "remove", *told_before)
    if kept := sorted(experiments & set(command("dvc", "exp", "list", "--name-only").split())):
        command("dvc", "exp", "remove", *kept)


def read_rows(plan: Plan, store: RunStore) -> list[Row]:
    """What MLflow knows of every variant of the plan."""
    rows, params = [], _params()
    for name in plan.variants:
        changed = flatten(with_keys(params, plan.changes(name)), ".")
        rows.append(Row(name, store.finished({key: str(value) for key, value in changed})))
    return rows


def table(plan: Plan, rows: Sequence[Row]) -> str:
    """The comparison, as Markdown; the best number of a column is bold."""
    values = {column.title: [_value(row, column) for row in rows] for column in plan.columns}
    lines = [
        f"# {plan.title}",
        "",
        "Every variant changes "
        + (_changes(plan.base) if plan.base else "nothing")
        + ", and what its row says. The numbers are MLflow's; `soundloom restore RUN` brings one "
        "of them back.",
        "",
        "| " + " | ".join(["variant", "changes", *values, "run"]) + " |",
        "|---" * 2 + "|--:" * len(values) + "|---|",
    ]
    for number, row in enumerate(rows):
        cells = [row.name, _changes(plan.variants[row.name])]
        for column in plan.columns:
            value = values[column.title][number]
            best = value is not None and value == _best(column, values[column.title])
            cells.append("–" if value is None else f"**{value:.4g}**" if best else f"{value:.4g}")
        cells.append(f"`{row.run.run_id}`" if row.run else "failed: see `dvc queue logs`")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _params() -> Any:
    load_config()
    return yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))


def _statuses() -> dict[str, str]:
    """Status of every task in DVC's queue that has a name."""
    rows = [line.split() for line in command("dvc", "queue", "status").splitlines()]
    # Task, name, when created (a word or more), status; other lines tell of workers.
    return {row[1]: row[-1] for row in rows if len(row) >= 4 and row[-1] in _STATUSES}


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
