"""A study: variants that differ on purpose, run through DVC's queue, compared by MLflow's numbers.

It is written as a YAML file: ``base`` changes every variant, ``variants`` names each and what it
changes beside that, ``columns`` the numbers to compare. Instead of variants it may name what to
search through, ``search``: then the variants are that search's trials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from tqdm import tqdm

from soundloom.common.params import Section, Seed, read_params, that_count, with_keys
from soundloom.config import Config
from soundloom.experiments import queue
from soundloom.experiments.repository import check_readable, command
from soundloom.experiments.store import FinishedRun, RunStore

# Experiments of a study are named so, to tell them from the user's own.
PREFIX = "study-"


class Column(Section):
    """A number of each run: its metric in MLflow, divided by another where ``over`` names one."""

    title: str
    metric: str
    over: str | None = None
    best: Literal["lowest", "highest"] | None = None


class Values(Section):
    """What a search tries for a key: all from ``low`` to ``high``, or one of ``values``."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    """Of ``low`` to ``high``: as often between 1 and 10 as between 10 and 100."""
    values: Annotated[list[Any], Field(min_length=1, default_factory=list)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.model_fields_set - {"log"} not in ({"values"}, {"low", "high"}):
            raise ValueError("values, or low and high: it must have one of both")
        if self.low > self.high:
            raise ValueError(f"low is {self.low}; it must be at most high, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log is true; low must then be greater than 0, and is {self.low}")
        return self

    def tried(self) -> Iterator[tuple[str, Any]]:
        """Those, by what they are called here, that are all allowed only if each is."""
        if self.values:
            yield from (("values", value) for value in self.values)
        else:
            ends = {"low": self.low, "high": self.high}
            yield from ((name, int(end) if end.is_integer() else end) for name, end in ends.items())


class Search(Section):
    """How variants are found instead of listed: trials of what is best for the ``objective``."""

    trials: Annotated[int, Field(ge=1, le=10_000)]
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    seed: Seed = 0
    objective: str
    """A metric of each run in MLflow."""
    direction: Literal["minimise", "maximise"] = "minimise"
    space: Annotated[dict[str, Values], Field(min_length=1)]
    """What is tried for each key of params.yaml, ``section.key``."""

    @model_validator(mode="after")
    def _grid_of_values(self) -> Self:
        for key, its in self.space.items():
            if self.sampler == "grid" and not its.values:
                raise ValueError(f"space.{key} has low and high; sampler: grid must have values")
        return self


class Study(Section):
    """What a study runs and what it compares."""

    title: str
    shared: list[str] = Field(default_factory=list)
    """Stages brought up to date in the workspace first, or every job would begin with them."""
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
    base: dict[str, Any] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    search: Search | None = None
    columns: list[Column] = Field(default_factory=list)

    @model_validator(mode="after")
    def _variants_or_search(self) -> Self:
        if bool(self.variants) == bool(self.search):
            raise ValueError("variants or search: it must have one of both")
        if not (self.columns or self.search):
            raise ValueError("columns is missing")
        return self

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

    So it does what a search may try for each key, which then is of that key's type.

    Raises :class:`SoundloomError` that names the file, and the variant whose parameters are wrong.
    """
    study = Study.parse(read_params(path), str(path))
    params = read_params()
    for name in study.variants:
        Config.parse(with_keys(params, study.changes(name)), f"{path}: {name}")
    if study.search is None:
        return study
    space = {}
    for key, its in study.search.space.items():
        typed = {}
        for name, value in its.tried():
            changed = with_keys(params, {**study.base, key: value})
            typed[name] = attrgetter(key)(Config.parse(changed, f"{path}: search.space"))
        space[key] = its if its.values else its.model_copy(update=typed)
    search = study.search.model_copy(update={"space": space})
    return study.model_copy(update={"search": search})


def run(study: Study) -> None:
    """Run every variant through DVC's queue, ``study.jobs`` at a time, in the working directory.

    What DVC has in its run-cache is restored, so a study run again takes seconds.

    Raises :class:`SoundloomError` when git will not read the repository, DVC refuses a variant, or
    tasks of the user's own have not ended.
    """
    check_readable()
    queue.check_free()
    bring_up_to_date(study)
    # DVC keeps an experiment as a git reference, whose name holds no spaces.
    changes = {PREFIX + re.sub(r"[^\w-]+", "-", one): study.changes(one) for one in study.variants}
    with tqdm(total=len(changes), desc="study", unit="variant") as bar:
        queue.run_all(changes, study.jobs, bar)


def bring_up_to_date(study: Study) -> None:
    """Run ``study.shared`` in the workspace."""
    if study.shared:
        print(f"study: bringing {', '.join(study.shared)} up to date, for all variants")
        command("dvc", "repro", *study.shared)


def read_rows(study: Study, store: RunStore) -> list[Row]:
    """What MLflow knows of every variant of the study."""
    rows, params = [], read_params()
    for name in study.variants:
        changed = that_count(with_keys(params, study.changes(name)))
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
