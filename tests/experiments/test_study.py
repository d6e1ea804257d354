"""Studies: checked before anything runs, compared by what MLflow holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from params import small_params, write_params
from projects import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.experiments.store import FinishedRun, RunStore
from soundloom.experiments.study import Row, read_rows, read_study, run, table

STUDY = """\
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
def file(project: Path) -> Path:
    """The study above, beside params.yaml."""
    write_params(project)
    file = project / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    return file


def test_a_variant_changes_the_base_and_its_own(file: Path) -> None:
    study = read_study(file)
    assert study.jobs == 1
    assert study.changes("plain") == {"train.epochs": 8}
    assert study.changes("warm") == {"train.epochs": 8, "generate.temperature": 1.2}


def test_each_variant_is_looked_up_by_its_own_params(file: Path) -> None:
    asked: list[Mapping[str, str]] = []

    class Store:
        def find_latest(self, params: Mapping[str, str]) -> FinishedRun | None:
            asked.append(params)
            return None

    rows = read_rows(read_study(file), cast(RunStore, Store()))
    assert rows == [Row("plain", None), Row("warm", None)]
    # What one changes does not leak into the next.
    default = small_params()["generate"]["temperature"]
    assert default != 1.2
    assert [params["generate.temperature"] for params in asked] == [str(default), "1.2"]
    assert [params["train.epochs"] for params in asked] == ["8", "8"]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("1.2}", "9}", r"study\.yaml: warm: generate\.temperature is 9; it must be less than or"),
        ("train.epochs", "train.epoch", r"study\.yaml: plain: train\.epoch is not a known key"),
        ("title: Two of a kind", "colour: red", r"study\.yaml: title is missing; colour is not a"),
        ("best: lowest", "best: cheapest", r"columns\.0\.best is 'cheapest'; it must be 'lowest'"),
        ("variants:", "jobs: 0\nvariants:", r"study\.yaml: jobs is 0; it must be greater than or"),
        ("variants:", "variants: [", r"study\.yaml: not valid YAML"),
        ("  plain: {}\n  warm: {generate.temperature: 1.2}\n", "", r"yaml: variants is None"),
    ],
)
def test_a_wrong_study_is_an_error_of_one_line(
    file: Path, before: str, after: str, fault: str
) -> None:
    assert before in STUDY
    file.write_text(STUDY.replace(before, after), encoding="utf-8")
    with pytest.raises(SoundloomError, match=fault) as caught:
        read_study(file)
    assert "\n" not in str(caught.value)


def test_a_missing_study_is_named(project: Path) -> None:
    with pytest.raises(SoundloomError, match=r"^none\.yaml: no such file"):
        read_study(Path("none.yaml"))


@pytest.fixture
def dvc(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for DVC: writes its command lines to a file, shows what ``shown`` holds."""
    if sys.platform == "win32":
        pytest.skip("a shell script")
    folder = project / "bin"
    folder.mkdir()
    program = folder / "dvc"
    program.write_text(
        '#!/bin/sh\necho "$@" >> calls\ncase "$1 $2" in "exp show") cat shown;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("soundloom.experiments.study._POLL_SECONDS", 0.0)
    return project


def show(folder: Path, **states: str | None) -> None:
    """Have DVC show experiments of this commit, in the form of ``dvc exp show --json``."""
    experiments: list[dict[str, object]] = [
        {"name": f"study-{name}", "executor": {"state": state} if state else None, "revs": []}
        for name, state in states.items()
    ]
    commit = {"rev": "c0de", "name": "main", "experiments": experiments or None}
    (folder / "shown").write_text(json.dumps([commit]), encoding="utf-8")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_queue_in_use_is_left_alone(dvc: Path, file: Path, state: str) -> None:
    show(dvc, other=state)
    with pytest.raises(SoundloomError, match="have not ended; see `dvc queue status`"):
        run(read_study(file))
    assert (dvc / "calls").read_text().splitlines() == ["exp show --json --hide-workspace"]


def test_what_an_earlier_study_left_is_removed_and_every_variant_queued(
    dvc: Path, file: Path
) -> None:
    show(dvc, plain="success", warm="failed", another=None)
    run(read_study(file))
    calls = (dvc / "calls").read_text().splitlines()
    assert [call for call in calls if not call.startswith("exp show")] == [
        "queue remove study-plain study-warm",
        "exp remove study-plain",
        "exp run --queue --name study-plain --set-param=train.epochs=8",
        "exp run --queue --name study-warm --set-param=train.epochs=8"
        " --set-param=generate.temperature=1.2",
        "queue start --jobs 1",
    ]


def test_the_table_has_a_row_a_variant_and_marks_the_best(file: Path) -> None:
    study = read_study(file)
    good = FinishedRun("a1", {"train/val_loss": 0.25, "train/base": 0.5})
    bad = FinishedRun("b2", {"train/val_loss": 0.5})
    lines = table(study, [Row("plain", good), Row("warm", bad)]).splitlines()
    assert lines[0] == "# Two of a kind"
    assert "changes `train.epochs=8`, and what its row says" in lines[2]
    assert lines[4:] == [
        "| variant | changes | loss | gain | run |",
        "|---|---|--:|--:|---|",
        "| plain | – | **0.25** | 0.5 | `a1` |",
        "| warm | `generate.temperature=1.2` | 0.5 | – | `b2` |",
    ]
    failed = table(study, [Row("plain", good), Row("warm", None)]).splitlines()[-1]
    assert failed == (
        "| warm | `generate.temperature=1.2` | – | – | failed: see `dvc queue logs` |"
    )


def test_the_projects_own_study_is_valid_and_large_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert len(read_study(Path("study.yaml")).variants) >= 6
