"""Studies: checked before anything runs, compared by what MLflow holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from dvc_stand_in import Dvc
from params import small_params, write_params
from projects import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.experiments.store import FinishedRun, RunStore
from soundloom.experiments.study import Row, Values, read_rows, read_study, run, table

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


SEARCH = """\
title: A search
base: {pairs.window_frames: 32}
search:
  trials: 5
  objective: evaluate/fad
  space:
    model.density.dropout: {low: 0, high: 0.4}
    train.learning_rate: {low: 0.001, high: 0.01, log: true}
    train.epochs: {low: 1, high: 4}
    model.conditioning: {values: [[style], []]}
"""


def test_what_a_search_tries_has_the_type_of_its_key(file: Path) -> None:
    file.write_text(SEARCH, encoding="utf-8")
    study = read_study(file)
    assert study.variants == {}
    assert study.search is not None
    assert (study.search.sampler, study.search.seed) == ("tpe", 0)
    assert study.search.direction == "minimise"
    space = study.search.space
    low, high = space["model.density.dropout"].low, space["train.epochs"].high
    assert (repr(low), repr(high)) == ("0.0", "4")
    assert space["model.conditioning"] == Values(values=[["style"], []])
    assert space["train.learning_rate"].log


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("high: 0.4", "high: 1.4", r"study\.yaml: search\.space: model\.density\.dropout is 1\.4;"),
        ("low: 1,", "low: 0,", r"study\.yaml: search\.space: train\.epochs is 0; it must be gre"),
        ("low: 1,", "low: 1.5,", r"search\.space: train\.epochs is 1\.5; it must be a valid integ"),
        ("[style]", "[hum]", r"search\.space: model\.conditioning\.0 is 'hum'; it must be 'style'"),
        ("train.epochs", "train.epoch", r"search\.space: train\.epoch is not a known key"),
        ("window_frames: 32", "window_frames: 0", r"search\.space: pairs\.window_frames is 0"),
        ("low: 1, high: 4", "low: 4, high: 1", r"space\.train\.epochs\.low is 4\.0; it must be at"),
        ("low: 1, high: 4", "low: 1", r"epochs\.values, or low and high: it must have one of both"),
        ("values: ", "high: 1, values: ", r"values, or low and high: it must have one of both"),
        ("values: [[style], []]", "values: []", r"space\.model\.conditioning\.values is \[\]"),
        ("low: 0.001", "low: 0", r"learning_rate\.log is true; low must then be greater than 0"),
        ("trials: 5", "trials: 0", r"study\.yaml: search\.trials is 0; it must be greater than"),
        ("trials: 5", "sampler: cma", r"trials is missing; search\.sampler is 'cma'; it must be"),
        ("trials: 5", "trials: 5\n  sampler: grid", r"space\.model\.density\.dropout has low and"),
        ("search:", "variants: {a: {}}\nsearch:", r"variants or search: it must have one of both"),
    ],
)
def test_a_wrong_search_is_an_error_of_one_line_before_anything_runs(
    file: Path, before: str, after: str, fault: str
) -> None:
    assert before in SEARCH
    file.write_text(SEARCH.replace(before, after), encoding="utf-8")
    with pytest.raises(SoundloomError, match=fault) as caught:
        read_study(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("title: Nothing", "variants or search: it must have one of both"),
        ("title: No columns\nvariants: {plain: {}}", "columns is missing"),
    ],
)
def test_a_study_has_variants_to_compare_or_a_search(file: Path, lines: str, fault: str) -> None:
    file.write_text(lines, encoding="utf-8")
    with pytest.raises(SoundloomError, match=fault):
        read_study(file)


def test_a_missing_study_is_named(project: Path) -> None:
    with pytest.raises(SoundloomError, match=r"^none\.yaml: no such file"):
        read_study(Path("none.yaml"))


def test_variants_run_under_names_that_git_takes(dvc: Dvc, file: Path) -> None:
    file.write_text(STUDY.replace("  plain:", "  as it is:"), encoding="utf-8")
    dvc.show({}, {}, {"study-as-it-is": "success", "study-warm": "success"})
    run(read_study(file))
    assert dvc.calls() == [
        "exp run --queue --name study-as-it-is --set-param=train.epochs=8",
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
