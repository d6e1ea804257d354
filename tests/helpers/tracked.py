"""What the MLflow store of a copy of the project holds."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from params import REPOSITORY
from projects import Project
from soundloom.experiments.store import RunStore


def give_store(folder: Path) -> None:
    """An empty store for a project: to make its tables anew takes MLflow two seconds."""
    (folder / "mlflow.db").write_bytes(_empty_database())


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        RunStore(Path(folder), "another experiment")
        return (Path(folder) / "mlflow.db").read_bytes()


def model_files(generator: Sequence[Path]) -> list[tuple[str, Path]]:
    """Artifacts of a variant that its model is made of: the generator, code and requirements."""
    source = REPOSITORY / "src"
    code = sorted((source / "soundloom").rglob("*.py"))
    return [
        *(("model/generator", file) for file in generator),
        *((f"model/code/{file.parent.relative_to(source)}", file) for file in code),
        ("model", REPOSITORY / "requirements.lock"),
    ]


def run_ids(store: RunStore) -> list[str]:
    """Ids of all runs that are not deleted, finished or not."""
    return [run.info.run_id for run in store.client.search_runs([store.experiment_id])]


def runs(project: Project) -> list[Any]:
    """Every run that is not deleted, finished or not."""
    store = RunStore(project.folder, "soundloom")
    return list(store.client.search_runs([store.experiment_id]))


def only_run(project: Project) -> Any:
    """The one run there is, finished."""
    (run,) = runs(project)
    assert run.info.status == "FINISHED"
    return run


def curve(project: Project, run: Any, key: str = "epoch/val_loss") -> list[int]:
    """Steps at which the run holds a value."""
    store = RunStore(project.folder, "soundloom")
    return [point.step for point in store.client.get_metric_history(run.info.run_id, key)]


def listed(project: Project, run: Any, folder: str) -> list[str]:
    """Paths of the run's artifacts in a folder."""
    store = RunStore(project.folder, "soundloom")
    return [entry.path for entry in store.client.list_artifacts(run.info.run_id, folder)]


def read(project: Project, run: Any, path: str) -> str:
    """Text of one of the run's artifacts."""
    store = RunStore(project.folder, "soundloom")
    return Path(store.client.download_artifacts(run.info.run_id, path)).read_text(encoding="utf-8")
