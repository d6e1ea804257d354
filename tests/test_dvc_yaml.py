"""dvc.yaml holds what it promises: exact dependencies, parameters that exist, stages that are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import REPOSITORY
from imports import closure
from soundloom.config import load_config
from soundloom.variant import flatten

DOCUMENT = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = DOCUMENT["stages"]


def outs(stage: str) -> list[str]:
    return [out if isinstance(out, str) else next(iter(out)) for out in STAGES[stage]["outs"]]


def test_a_stage_for_each_file_of_stages() -> None:
    files = {path.stem for path in (REPOSITORY / "src/soundloom/stages").glob("*.py")}
    assert files - {"__init__"} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_what_the_stage_imports(stage: str) -> None:
    listed = [dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]
    imported = {path.as_posix() for path in closure(f"soundloom.stages.{stage}")}
    wanted = ["src/stage.py", *sorted(imported)]
    assert listed == wanted, "list in dvc.yaml:\n" + "\n".join(f"      - {dep}" for dep in wanted)


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_says_what_it_is_and_runs_itself(stage: str) -> None:
    assert len(STAGES[stage]["desc"]) > 10
    assert STAGES[stage]["cmd"] == f"python src/stage.py {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_params_exist(stage: str) -> None:
    params = load_config(REPOSITORY / "params.yaml").model_dump()
    known = {key for key, _ in flatten(params, ".")} | set(params)
    assert set(STAGES[stage]["params"]) <= known


@pytest.mark.parametrize("stage", STAGES)
def test_data_dependencies_are_outputs_of_earlier_stages(stage: str) -> None:
    earlier = [out for name in list(STAGES)[: list(STAGES).index(stage)] for out in outs(name)]
    for dep in STAGES[stage]["deps"]:
        if not dep.startswith(("src/", "${")):
            assert any(Path(dep).is_relative_to(out) for out in earlier), dep


def test_metrics_are_declared_and_small_enough_for_git() -> None:
    written = {out for stage in STAGES for out in outs(stage) if out.startswith("metrics/")}
    assert {*DOCUMENT["metrics"], "metrics/history.csv"} == written
    for stage in STAGES:
        for out in STAGES[stage]["outs"]:
            if isinstance(out, dict) and next(iter(out)).startswith("metrics/"):
                assert next(iter(out.values())) == {"cache": False}


def test_light_stages_import_no_keras() -> None:
    for stage in ("download", "explore", "spectrogram", "report", "track"):
        sources = "".join(
            (REPOSITORY / path).read_text(encoding="utf-8")
            for path in closure(f"soundloom.stages.{stage}")
        )
        assert "import keras" not in sources, stage
        assert "import tensorflow" not in sources, stage
