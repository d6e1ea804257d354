"""Plans of variants: checked before anything runs, compared by what MLflow holds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest

from projects import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.config import load_config
from soundloom.experiments import study
from soundloom.experiments.runs import FinishedRun, RunStore
from soundloom.experiments.study import Row, read_plan, table

PLAN = """\
title: Two of a kind
base: {train.epochs: 8}
variants:
  plain: {}
  warm: {generate.temperature: 1.2}
columns:
  - {title: loss, metric: train/val_loss, best: lowest}
  - {title: gain, metric: train/val_loss, over: train/base}
"""


@pytest.fixture
def plan_file(project: Path) -> Path:
    shutil.copy(REPOSITORY / "params.yaml", project)
    file = project / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


def test_a_variant_changes_the_base_and_its_own(plan_file: Path) -> None:
    plan = read_plan(plan_file)
    assert plan.jobs == 1
    assert plan.changes("plain") == {"train.epochs": 8}
    assert plan.changes("warm") == {"train.epochs": 8, "generate.temperature": 1.2}


def test_params_are_read_once_for_all_variants(
    plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, str]] = []

    class Store:
        def finished(self, params: Mapping[str, str]) -> FinishedRun | None:
            asked.append(params)
            return None

    read = Mock(wraps=study.load_config)
    monkeypatch.setattr(study, "load_config", read)
    plan = read_plan(plan_file)
    assert read.call_count == 1
    assert study.read_rows(plan, cast(RunStore, Store())) == [Row("plain", None), Row("warm", None)]
    assert read.call_count == 2
    # Each variant's params are its own: what one changes does not leak into the next.
    default = load_config(REPOSITORY / "params.yaml").generate.temperature
    assert default != 1.2
    assert [params["generate.temperature"] for params in asked] == [str(default), "1.2"]
    assert [params["train.epochs"] for params in asked] == ["8", "8"]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("1.2}", "9}", r"plan\.yaml: warm: generate\.temperature is 9; it must be less than or"),
        ("train.epochs", "train.epoch", r"plan\.yaml: plain: train\.epoch is not a known key"),
        ("title: Two of a kind", "colour: red", r"plan\.yaml: title: Field required"),
        ("best: lowest", "best: cheapest", r"plan\.yaml: columns\.0\.best: String should match"),
        ("variants:", "variants: [", r"plan\.yaml: not valid YAML"),
        ("  plain: {}\n  warm: {generate.temperature: 1.2}\n", "", r"plan\.yaml: variants"),
    ],
)
def test_a_wrong_plan_is_told_in_one_line(
    plan_file: Path, before: str, after: str, fault: str
) -> None:
    assert before in PLAN
    plan_file.write_text(PLAN.replace(before, after), encoding="utf-8")
    with pytest.raises(SoundloomError, match=fault) as caught:
        read_plan(plan_file)
    assert "\n" not in str(caught.value)


def test_a_missing_plan_is_named(project: Path) -> None:
    with pytest.raises(SoundloomError, match=r"^none\.yaml: no such file$"):
        read_plan(Path("none.yaml"))


def test_the_table_has_a_row_a_variant_and_marks_the_best(plan_file: Path) -> None:
    plan = read_plan(plan_file)
    good = FinishedRun("a1", {"train/val_loss": 0.25, "train/base": 0.5})
    bad = FinishedRun("b2", {"train/val_loss": 0.5})
    lines = table(plan, [Row("plain", good), Row("warm", bad)]).splitlines()
    assert lines[0] == "# Two of a kind"
    assert "changes `train.epochs=8`, and what its row says" in lines[2]
    assert lines[4:] == [
        "| variant | changes | loss | gain | run |",
        "|---|---|--:|--:|---|",
        "| plain | – | **0.25** | 0.5 | `a1` |",
        "| warm | `generate.temperature=1.2` | 0.5 | – | `b2` |",
    ]
    failed = table(plan, [Row("plain", good), Row("warm", None)]).splitlines()[-1]
    assert failed == (
        "| warm | `generate.temperature=1.2` | – | – | failed: see `dvc queue logs` |"
    )


def test_the_projects_own_study_is_valid_and_large_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert len(read_plan(Path("study.yaml")).variants) >= 6
