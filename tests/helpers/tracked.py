"""What the MLflow store of a copy of the project holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from projects import Project
from soundloom.experiments.runs import RunStore


def runs(project: Project) -> list[Any]:
    """Every run that is not deleted, finished or not."""
    store = RunStore(project.folder, "soundloom")
    return list(store.client.search_runs([store.experiment_id]))


def only_run(project: Project) -> Any:
    (run,) = runs(project)
    assert run.info.status == "FINISHED"
    return run


def curve(project: Project, run: Any, key: str = "val_loss") -> list[int]:
    """Steps at which the run holds a value."""
    store = RunStore(project.folder, "soundloom")
    return [point.step for point in store.client.get_metric_history(run.info.run_id, key)]


def read(project: Project, run: Any, path: str) -> str:
    """Text of one of the run's artifacts."""
    store = RunStore(project.folder, "soundloom")
    return Path(store.client.download_artifacts(run.info.run_id, path)).read_text(encoding="utf-8")
