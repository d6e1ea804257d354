"""One variant, one MLflow run, whichever way DVC came by it: real DVC, real stores, tiny data."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import TINY, Project
from soundloom.tracking import RunStore

# Long enough to interrupt, ended by train.patience.
LONG = {"train.epochs": 60, "train.patience": 60}


@pytest.fixture
def project(built_project: Project, tmp_path: Path) -> Project:
    """The built project, without a store."""
    return built_project.duplicate(tmp_path / "project")


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


def test_back_to_a_variant_is_back_to_its_run(project: Project) -> None:
    assert project.repro() == ["track"]
    first = only_run(project)
    project.change({"train.epochs": 1})
    assert project.repro() == ["train", "generate", "evaluate", "report", "track"]
    assert "train.epochs  2       1" in project.run("dvc", "params", "diff")
    assert re.search(r"metrics/train.json +epochs +2 +1 ", project.run("dvc", "metrics", "diff"))
    project.run("dvc", "plots", "diff", "--out", "plots")
    page = (project.folder / "plots/index.html").read_text(encoding="utf-8")
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page
    shutil.rmtree(project.folder / "plots")
    project.change({"train.epochs": 2})
    assert project.repro() == ["track"]
    assert {run.info.run_id for run in runs(project)} > {first.info.run_id}
    assert len(runs(project)) == 2
    # The first never trained in this store's lifetime, the second did: both have all of it.
    second = next(run for run in runs(project) if run.info.run_id != first.info.run_id)
    assert (curve(project, first), curve(project, second)) == ([1, 2], [1])
    assert second.info.run_name == "train.epochs=1"
    assert first.data.tags["stage.pairs"] == second.data.tags["stage.pairs"]
    assert first.data.tags["stage.train"] != second.data.tags["stage.train"]
    for run in (first, second):
        assert run.data.metrics["train/epochs"] == len(curve(project, run))
        assert "learning_rate" in run.data.metrics


def test_two_workers_on_a_fresh_store(project: Project) -> None:
    project.run("dvc", "exp", "run", "--queue", "-S", "train.epochs=3,4")
    project.run("dvc", "queue", "start", "--jobs", "2")
    wait_for(lambda: "Success" in project.run("dvc", "queue", "status") and idle(project), 240)
    found = runs(project)
    assert sorted(run.data.params["train.epochs"] for run in found) == ["3", "4"]
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        assert curve(project, run) == list(range(1, 1 + int(run.data.params["train.epochs"])))
        assert run.info.run_name == run.data.tags["dvc.experiment"]
        # In the main repository, not in the workspaces, which are gone.
        samples = f"mlartifacts/{run.info.run_id}/artifacts/sample_00.wav"
        assert (project.folder / samples).is_file()
    shown = project.run("dvc", "exp", "show", "--csv")
    assert all(run.info.run_name in shown for run in found)

    # Applying one makes it the workspace's variant: the same one, so the same run.
    project.run("dvc", "exp", "apply", found[0].info.run_name)
    assert project.repro() == ["track"]
    assert {run.info.run_id for run in runs(project)} == {run.info.run_id for run in found}
    project.run("dvc", "exp", "branch", found[0].info.run_name, "kept")
    assert "kept" in project.run("git", "branch", "--list", "kept")


def idle(project: Project) -> bool:
    return not {"Running", "Queued"} & set(project.run("dvc", "queue", "status").split())


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)


PLAN = """\
title: Two of a kind
shared: [explore]
variants:
  plain: {}
  quite warm: {generate.temperature: 1.0}
columns:
  - {title: loss, metric: train/val_loss, best: lowest}
"""


def test_a_study_is_run_and_told(project: Project) -> None:
    (project.folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    project.run("soundloom", "study", "plan.yaml", "--out", "reports/study.md")
    text = (project.folder / "reports/study.md").read_text(encoding="utf-8")
    ids = re.findall(r"`([0-9a-f]{32})`", text)
    assert set(ids) == {run.info.run_id for run in runs(project)}
    assert len(ids) == 2
    # The workspace is as it was.
    assert project.run("git", "status", "--porcelain", "params.yaml") == ""


def test_edited_code_runs_in_a_temporary_workspace_and_can_be_brought_back(
    project: Project,
) -> None:
    module = project.folder / "src/soundloom/metrics/levels.py"
    edited = module.read_text(encoding="utf-8").replace("20.0 * float", "1000.0 + 20.0 * float")
    module.write_text(edited, encoding="utf-8")
    project.run("dvc", "exp", "run", "--temp", "--name", "louder")
    run = only_run(project)
    assert run.data.metrics["generate/sample_00/peak_dbfs"] > 900
    assert run.info.run_name == "louder"
    assert run.data.tags["git.dirty"] == "true"
    assert read(project, run, "code/src/soundloom/metrics/levels.py") == edited

    # Later, elsewhere in the history, with other work under way.
    project.run("git", "checkout", "-q", ".")
    (project.folder / "README.md").write_text("Later.\n", encoding="utf-8")
    project.run("git", "commit", "-q", "-a", "-m", "later")
    project.change({"train.epochs": 9})
    printed = project.run("soundloom", "restore", run.info.run_id)
    assert "git stash pop" in printed
    assert module.read_text(encoding="utf-8") == edited
    assert project.run("git", "rev-parse", "HEAD").strip() == run.data.tags["git.commit"]
    numbers = json.loads((project.folder / "metrics/generate.json").read_text())
    assert numbers["sample_00"]["peak_dbfs"] > 900
    assert project.repro() == ["track"]
    assert only_run(project).info.run_id == run.info.run_id
    project.run("git", "checkout", "-q", ".")
    project.run("git", "checkout", "-q", "main")
    project.run("git", "stash", "pop", "-q")
    assert "epochs: 9" in (project.folder / "params.yaml").read_text(encoding="utf-8")


def test_restoring_says_what_is_missing_and_touches_nothing(project: Project) -> None:
    project.repro()
    run_id = only_run(project).info.run_id
    project.change({"generate.temperature": 0.3})
    project.repro()
    before = (project.folder / "dvc.lock").read_bytes()
    lock = yaml.safe_load(project.run("git", "show", "HEAD:dvc.lock"))
    md5 = next(out["md5"] for out in lock["stages"]["generate"]["outs"] if "data" in out["path"])
    cached = project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    member = json.loads(cached.read_text())[0]["md5"]
    lost = project.folder / ".dvc/cache/files/md5" / member[:2] / member[2:]
    lost.unlink()
    printed = project.run("soundloom", "restore", run_id, fails=True)
    assert printed.count("\n") == 1
    assert f"DVC's cache lacks data/generated ({md5})" in printed
    assert (project.folder / "dvc.lock").read_bytes() == before
    assert "0.3" in project.run("git", "diff", "params.yaml")

    printed = project.run("soundloom", "restore", run_id, "--rebuild")
    assert "`dvc repro` makes what DVC's cache lacks: data/generated" in printed
    assert "generate" in project.repro()
    assert lost.is_file()
    finished = [run for run in runs(project) if run.info.status == "FINISHED"]
    assert len(finished) == len(runs(project)) == 2
    printed = project.run("soundloom", "restore", "0" * 32, fails=True)
    assert printed.startswith(f"soundloom: error: run '{'0' * 32}' is not in sqlite:///")


def start(project: Project, *command: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command, cwd=project.folder, env=project.environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def training_is_seen(project: Project) -> bool:
    """Whether a run that is not finished holds an epoch."""
    return any(curve(project, run) for run in runs(project) if run.info.status == "RUNNING")


def test_a_killed_run_retried_is_one_run(project: Project) -> None:
    project.environment["MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"] = "0.3"  # seconds
    project.change(LONG)
    repro = start(project, "dvc", "repro")
    wait_for(lambda: training_is_seen(project), 120)
    os.killpg(repro.pid, signal.SIGKILL)
    repro.communicate()
    assert [run.info.status for run in runs(project)] != ["FINISHED"]
    project.change({"train.patience": 8})  # as people do before they try again
    project.repro()
    run = only_run(project)
    assert len(curve(project, run)) == run.data.metrics["train/epochs"]
    assert any(key.startswith("system/") for key in run.data.metrics)


def test_a_store_that_turns_read_only_midway_loses_nothing(project: Project) -> None:
    project.repro()
    database = project.folder / "mlflow.db"
    project.change(LONG)
    repro = start(project, "dvc", "repro")
    wait_for(lambda: training_is_seen(project), 120)
    set_read_only(database, True)
    printed, _ = repro.communicate(timeout=240)
    assert repro.returncode == 0, printed
    assert printed.count("soundloom: warning: not recorded in MLflow (") == 1, printed
    assert "Traceback" not in printed
    receipt = project.folder / "reports/tracked.json"
    assert json.loads(receipt.read_text())["recorded"] is False

    # It waits also while the workspace moves on, and goes along with the next that is recorded.
    set_read_only(database, False)
    project.change({"train.epochs": 1})
    project.repro()
    assert json.loads(receipt.read_text())["recorded"] is True
    found = {run.data.params["train.epochs"]: run for run in runs(project)}
    assert set(found) == {"1", "2", "60"}
    assert len(runs(project)) == 3
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert curve(project, found["60"]) == list(range(1, 61))
    project.run("soundloom", "track", "--waiting")
    assert len(runs(project)) == 3


def set_read_only(database: Path, read_only: bool) -> None:
    """Have SQLite refuse to write, whoever asks: its format is said to be one not yet known.

    Under a lock, and with another change counter, or a process that knows the header as it was
    would write it back. See "The Database Header" in SQLite's description of its file format.
    """
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        if read_only:
            connection.execute("BEGIN EXCLUSIVE")
        with database.open("r+b") as file:
            file.seek(18)
            file.write(b"\3" if read_only else b"\1")
            file.seek(24)
            counter = int.from_bytes(file.read(4), "big") + 1
            file.seek(24)
            file.write(counter.to_bytes(4, "big"))
        if read_only:
            connection.execute("ROLLBACK")
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("CREATE TABLE probe (id INTEGER)")


def test_a_locked_store_is_waited_for_no_longer_than_bearable(project: Project) -> None:
    project.repro()
    project.change({"generate.temperature": 0.4})
    database = project.folder / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        printed = project.run("dvc", "repro")
        waited_seconds = time.monotonic() - started
    assert "not recorded in MLflow (" in printed
    assert waited_seconds < 100
    project.run("soundloom", "track", "--waiting")
    assert len(runs(project)) == 2


def test_tiny_is_tiny() -> None:
    assert TINY["train.epochs"] == 2  # as the curves above have it
