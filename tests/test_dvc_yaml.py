"""dvc.yaml holds what it promises: every stage's dependencies, parameters and outputs."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imports import closure, holds_only_a_docstring, modules
from params import REPOSITORY
from soundloom.common.params import Section, flattened, read_params

DOCUMENT = read_params(REPOSITORY / "dvc.yaml")
STAGES: dict[str, Any] = DOCUMENT["stages"]
BASE: dict[str, Any] = read_params(REPOSITORY / "base" / "dvc.yaml")["stages"]


def from_root(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage of base/dvc.yaml with the project's code named as from the project's root."""
    deps = [dep.removeprefix("../") for dep in stage["deps"]]
    return stage | {"cmd": stage["cmd"].replace("../", ""), "deps": deps}


# With the stages that the base's pipeline alone has.
ALL = STAGES | {name: from_root(stage) for name, stage in BASE.items() if name not in STAGES}

# What a stage has in both pipelines.
KEPT = ("cmd", "deps", "params")
# They show every parameter there is.
OF_ALL_PARAMS = ("report", "track")
# Where a stage computes is not what it computes: with other devices it does not run again.
OF_NO_STAGE = "compute"


def outs(stage: str) -> dict[str, dict[str, bool]]:
    """Every output of a stage, whichever list it stands in, and its options."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in STAGES[stage].get(kind, [])]
    entries = [{out: {}} if isinstance(out, str) else out for out in listed]
    return {path: options for entry in entries for path, options in entry.items()}


def code_deps(stage: str) -> list[Path]:
    """The files and folders of code that a stage lists."""
    return [Path(dep) for dep in ALL[stage]["deps"] if dep.startswith("src/")]


def test_the_stages_in_their_order() -> None:
    assert list(STAGES) == [
        "download", "explore", "split", "spectrogram", "pairs", "train", "generate", "reference",
        "evaluate", "report", "track",
    ]  # fmt: skip


def test_a_stage_for_each_file_of_stages() -> None:
    files = {path.stem for path in (REPOSITORY / "src/soundloom/stages").glob("*.py")}
    assert files - {"__init__"} == set(ALL)


@pytest.mark.parametrize("stage", BASE)
def test_the_bases_pipeline_is_of_the_same_stages(stage: str) -> None:
    assert list(BASE) == ["download", "split", "spectrogram", "pairs", "train", "pack"]
    if stage in STAGES:
        same = {key: value for key, value in from_root(BASE[stage]).items() if key in KEPT}
        wanted = {key: value for key, value in STAGES[stage].items() if key in KEPT}
        others = [dep for dep in wanted["deps"] if not dep.startswith("${")]
        wanted["deps"] = [dep for dep in others if dep != "models/base"]  # which it makes
        assert same == wanted


@pytest.mark.parametrize("stage", ALL)
def test_each_stage_says_what_it_is_and_runs_itself(stage: str) -> None:
    assert len(ALL[stage]["desc"]) > 10
    assert ALL[stage]["cmd"] == f"python src/stage.py {stage}"
    own = Path(f"src/soundloom/stages/{stage}.py")
    assert code_deps(stage)[:2] == [Path("src/stage.py"), own]


@pytest.mark.parametrize("stage", ALL)
def test_all_code_that_a_stage_imports_is_among_its_dependencies(stage: str) -> None:
    # Modules of a docstring alone, as packages have, run nothing: an edit need not re-run a stage.
    running = {
        path
        for path in closure(f"soundloom.stages.{stage}")
        if path.suffix != ".py" or not holds_only_a_docstring(path)
    }
    missing = {
        path
        for path in running
        if not any(path == dep or path.is_relative_to(dep) for dep in code_deps(stage))
    }
    assert not missing, f"list their folders in dvc.yaml: {sorted(map(str, missing))}"


@pytest.mark.parametrize("stage", ALL)
def test_every_folder_that_a_stage_lists_is_imported(stage: str) -> None:
    imported = closure(f"soundloom.stages.{stage}")
    for folder in code_deps(stage)[2:]:
        used = {path for path in imported if path.is_relative_to(folder)}
        assert any(not holds_only_a_docstring(path) for path in used if path.suffix == ".py"), (
            f"{folder} is not used: take it out of dvc.yaml"
        )


def test_the_check_of_the_whole_file_is_no_dependency() -> None:
    # `src/stage.py` runs it before any stage. It gives the stage nothing: it can stop one, and not
    # change what comes out of it. As it reads all sections, a stage that listed it would run again
    # whenever the section of any other is edited.
    whole = Path("src/soundloom/config.py")
    assert "soundloom.config" in (REPOSITORY / "src/stage.py").read_text(encoding="utf-8")
    for stage in STAGES:
        assert whole not in closure(f"soundloom.stages.{stage}")
        assert not any(whole.is_relative_to(dep) for dep in code_deps(stage))


def sections() -> dict[str, type[Section]]:
    """Sections of params.yaml, and parts of them, by the names of their classes."""
    found: dict[str, type[Section]] = {}
    for path in modules():
        if path.name == "config.py" and path.parent.name != "soundloom":
            module = importlib.import_module(f"soundloom.{path.parent.name}.config")
            found |= {
                name: value
                for name, value in vars(module).items()
                if isinstance(value, type) and issubclass(value, Section) and value.key
            }
    return found


def loaded(stage: str) -> Iterator[str]:
    """The parameters that a stage loads: ``section``, or ``section.key`` for a part of one."""
    known = sections()
    tree = ast.parse((REPOSITORY / f"src/soundloom/stages/{stage}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Config.load"):
            section = known[ast.unparse(node.func).removesuffix(".load")]
            whole = section.model_config["extra"] == "forbid"
            keys = [section.key] if whole else [f"{section.key}.{k}" for k in section.model_fields]
            yield from keys


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_that_the_stage_loads(stage: str) -> None:
    if stage in OF_ALL_PARAMS:
        # Where the runs are kept is nothing that the page shows.
        left_out = ("track", OF_NO_STAGE)
        wanted = [key for key in read_params(REPOSITORY / "params.yaml") if key not in left_out]
        assert STAGES[stage]["params"] == wanted + (["track"] if stage == "track" else [])
    else:
        assert sorted(STAGES[stage]["params"]) == sorted(set(loaded(stage)) - {OF_NO_STAGE})


def test_no_stage_runs_anew_for_where_work_is_done() -> None:
    assert not [name for name in ALL for key in ALL[name].get("params", ()) if "compute" in key]


@pytest.mark.parametrize("stage", STAGES)
def test_params_exist(stage: str) -> None:
    params = read_params(REPOSITORY / "params.yaml")
    assert set(STAGES[stage]["params"]) <= {*params, *flattened(params)}


@pytest.mark.parametrize("stage", STAGES)
def test_data_dependencies_are_outputs_of_earlier_stages(stage: str) -> None:
    earlier = [out for name in list(STAGES)[: list(STAGES).index(stage)] for out in outs(name)]
    earlier.append("models/base")  # is in git
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
        assert all(isinstance(out, str) for out in STAGES[stage].get("outs", [])), stage
