"""The track stage: a variant becomes a run, or waits to become one; the pipeline never fails."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generated_project import finish_project, make_project
from page_server import SOURCE, environment
from soundloom.common.paths import main_root
from soundloom.experiments.store import RunStore
from soundloom.experiments.tracking import track, track_waiting
from soundloom.experiments.variant import Variant


@pytest.fixture
def tracked(variant: Variant, store: RunStore) -> Variant:
    """A variant whose params name the test's own experiment."""
    name = store.client.get_experiment(store.experiment_id).name
    return replace(
        variant, description=replace(variant.description, params={"track.experiment": name})
    )


def test_the_run_is_printed_by_its_own_name(
    store: RunStore, tracked: Variant, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track(root, tracked)
    run_id = store.find(tracked.fingerprint)
    assert capsys.readouterr().out == f"MLflow run {run_id} (näme)\n"
    # The same variant of another experiment: the run keeps the name of the first.
    renamed = replace(tracked, description=replace(tracked.description, name="study-warm"))
    assert track(root, renamed)
    assert capsys.readouterr().out == f"MLflow run {run_id} (näme)\n"


def test_what_waits_is_recorded_with_the_next(
    store: RunStore,
    tracked: Variant,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{__file__}")  # no database
        assert not track(root, tracked)
        assert not track_waiting(root)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("soundloom: warning: not recorded in MLflow (")
    assert second.startswith("soundloom: warning: earlier variants still wait to be recorded")
    for _, file in tracked.artifacts:  # as with a temporary workspace, which goes
        file.unlink()
    assert track(root, replace(tracked, fingerprint="0" * 64, artifacts=()))
    run_id = store.find(tracked.fingerprint)
    assert run_id is not None
    assert store.client.list_artifacts(run_id, "prompts")
    assert track_waiting(root)


def test_the_root_is_dvcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main_root() == tmp_path.resolve()
    (tmp_path / "main").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert main_root() == (tmp_path / "main").resolve()


@pytest.fixture
def workspace(project: Path) -> Path:
    """A temporary workspace of DVC's, in which the pipeline has run up to the track stage."""
    make_project(project)
    finish_project(project)
    (project.parent / "main").mkdir()
    return project


def run_stage(workspace: Path, changes: dict[str, str] | None = None) -> tuple[str, str]:
    """The stage, in a process of its own, of the main repository beside ``workspace``."""
    root = str(workspace.parent / "main")
    done = subprocess.run(
        [sys.executable, str(SOURCE / "stage.py"), "track"],
        env=environment({"DVC_ROOT": root, **(changes or {})}),
        cwd=workspace, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def receipt(workspace: Path) -> dict[str, Any]:
    return json.loads((workspace / "reports/tracked.json").read_text())


@pytest.mark.slow
def test_a_broken_store_is_a_warning_and_is_made_good_later(workspace: Path) -> None:
    database = workspace.parent / "main/mlflow.db"
    database.write_bytes(b"garbage" * 999)
    _, errors = run_stage(workspace)
    assert errors.count("\n") == 1
    assert errors.startswith(f"soundloom: warning: not recorded in MLflow ({database}: ")
    assert "it is kept until the next variant is recorded, or `soundloom track`" in errors
    assert receipt(workspace)["recorded"] is False
    assert database.read_bytes() == b"garbage" * 999

    database.unlink()
    printed, errors = run_stage(workspace)
    assert errors == ""
    assert receipt(workspace)["recorded"] is True
    assert printed.count("MLflow run ") == 1
    # In the main repository, which stays, not in the workspace, which goes.
    assert list(database.parent.glob("mlartifacts/*/artifacts/sample_00.wav"))
    assert not list(workspace.glob("ml*"))


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_a_warning_too(workspace: Path) -> None:
    nobody = {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    }
    _, errors = run_stage(workspace, nobody)
    assert "warning: not recorded in MLflow (" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert receipt(workspace)["recorded"] is False
