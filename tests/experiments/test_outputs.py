"""What a stage that failed leaves in MLflow; what it leaves on disk is tested with pipelines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from params import REPOSITORY, write_params
from soundloom.experiments.outputs import end_run
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import describe


@pytest.mark.parametrize(
    ("stage", "exit_status", "status"),
    [
        ("generate", 1, "FAILED"),
        ("report", 1, "FAILED"),
        ("evaluate", 130, "KILLED"),
        ("split", 1, "RUNNING"),  # which knows of no training
    ],
)
def test_the_run_of_a_training_ends_with_a_later_stage_that_fails(
    project: Path,
    root: Path,
    store: RunStore,
    stage: str,
    exit_status: int,
    status: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(root))
    write_params(project, {"track.experiment": request.node.name})
    shutil.copy(REPOSITORY / "dvc.yaml", project)
    live = store.start_live(describe())
    live.end([{"epoch": 1.0, "loss": 0.5}])
    end_run(stage, exit_status)
    assert store.client.get_run(live.run_id).info.status == status


def test_where_there_is_no_store_none_is_made(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_params(project)
    shutil.copy(REPOSITORY / "dvc.yaml", project)
    end_run("generate", 1)
    assert not (project / "mlflow.db").exists()
