"""dvc.yaml holds what it promises: exact dependencies, parameters that exist, stages that are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import REPOSITORY
from imports import closure
from soundloom.config import load_config
from soundloom.experiments.variant import flatten

DOCUMENT = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = DOCUMENT["stages"]


def outs(stage: str) -> dict[str, dict[str, bool]]:
    """Every output of a stage, whichever list it stands in, and its options."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in STAGES[stage].get(kind, [])]
    entries = [{out: {}} if isinstance(out, str) else out for out in listed]
    return {path: options for entry in entries for path, options in entry.items()}


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
        for out, options in outs(stage).items():
            assert (options.get("cache", True) is False) == (
                out.startswith("metrics/") or stage == "track"
            )


def test_every_stage_but_track_can_be_restored_from_the_run_cache() -> None:
    # DVC saves a stage there only if all plain outputs are cached; metrics and plots need not be.
    for stage in set(STAGES) - {"track"}:
        assert all(isinstance(out, str) for out in STAGES[stage]["outs"]), stage


def test_tensorflow_is_kept_apart() -> None:
    named = {
        path.name
        for path in (REPOSITORY / "src").rglob("*.py")
        if re.search(r"^\s*(import|from) tensorflow\b", path.read_text(encoding="utf-8"), re.M)
    }
    assert named == {"tensorflow_only.py", "tfrecord.py"}


def test_windows_do_not_touch_what_listens() -> None:
    for stage in ("reference", "evaluate"):
        assert Path("src/soundloom/windows.py") not in closure(f"soundloom.stages.{stage}")


def test_light_stages_import_no_keras() -> None:
    for stage in ("download", "explore", "spectrogram", "report", "track"):
        sources = "".join(
            (REPOSITORY / path).read_text(encoding="utf-8")
            for path in closure(f"soundloom.stages.{stage}")
        )
        assert "import keras" not in sources, stage
        assert "import tensorflow" not in sources, stage
