"""Runs that are interrupted, and stores that cannot be written to: nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kills import digest, outs_by_stage
from projects import Project, wait_for
from tracked import curve, listed, only_run, runs

# From the second epoch on a training waits after each but the last: what happens to it meanwhile
# depends on no machine's speed, and nothing is computed for that alone.
KEPT = "            keep(progress)"
WAIT = """
            while 2 <= epoch < config.epochs and not Path("go-on").exists():
                time.sleep(0.05)
"""


def hold_trainings(workspace: Project) -> None:
    """Have trainings of four epochs wait, until there is a file ``go-on``.

    Of the model that starts soonest: that others go on as well, tests/training/test_fit.py shows.
    """
    stage = workspace.folder / "src/soundloom/stages/train.py"
    (kept,) = (line for line in stage.read_text().splitlines() if line.startswith(KEPT))
    code = stage.read_text(encoding="utf-8").replace(kept, kept + WAIT)
    imports = "import time\nfrom pathlib import Path\n\nfrom soundloom"
    stage.write_text(code.replace("from soundloom", imports, 1), encoding="utf-8")
    workspace.change({"train.epochs": 4, "model.name": "lstm"})


def let_go_on(workspace: Project) -> None:
    (workspace.folder / "go-on").touch()


def start(workspace: Project, *command: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command, cwd=workspace.folder, env=workspace.environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def end_training(workspace: Project, how: signal.Signals) -> str:
    """Start the pipeline, end it by a signal once it trains; returns what it printed."""
    repro = start(workspace, "dvc", "repro", "--single-item", "train")
    wait_for(lambda: training_is_seen(workspace), 400)
    for _ in range(4):
        # Again, as people do: a library may have taken the first for a fault of its own.
        os.killpg(repro.pid, how)
        with suppress(subprocess.TimeoutExpired):
            printed, _ = repro.communicate(timeout=90)
            assert repro.returncode != 0
            return printed
    raise AssertionError(f"{how.name} has not ended it")


def training_is_seen(workspace: Project) -> bool:
    """Whether a run that is not finished holds two epochs: the first is then kept on disk, too."""
    return any(
        len(curve(workspace, run)) > 1 for run in runs(workspace) if run.info.status == "RUNNING"
    )


def test_interrupted_killed_and_tried_again_it_goes_on_and_is_one_run(workspace: Project) -> None:
    before = outputs(workspace)
    hold_trainings(workspace)
    workspace.change({"train.listen_every": 2})
    for how in (signal.SIGINT, signal.SIGTERM):  # SIGKILL: tests/pipelines/test_killed.py
        printed = end_training(workspace, how)
        assert "soundloom: interrupted; nothing half-written was kept" in printed.splitlines()
        assert "Traceback" not in printed
        assert outputs(workspace) == before, "DVC had removed them"
        wait_for(lambda: [run.info.status for run in runs(workspace)] == ["KILLED"], 120)
    assert "training goes on after epoch" in printed
    # Tried again as it is, it goes on from there.
    let_go_on(workspace)
    assert "training goes on after epoch" in workspace.run("dvc", "repro", "-s", "train")
    (run,) = runs(workspace)
    assert curve(workspace, run) == [1, 2, 3, 4]
    # As it learns, it is heard, whenever it was stopped.
    assert listed(workspace, run, "listen") == ["listen/epoch_02.wav", "listen/epoch_04.wav"]
    said = run.data.tags["mlflow.note.content"]
    assert said.startswith("Epoch 4 of 4\n\n**validation loss ")
    assert "*Artifacts*, `listen`" in said
    assert not list(workspace.folder.glob(".dvc/tmp/soundloom/training/*"))
    # That they end with the bytes of one never killed, tests/training/test_fit.py shows.


def test_a_training_that_diverges_leaves_all_as_it_was(workspace: Project) -> None:
    before = outputs(workspace)
    code = workspace.folder / "src/soundloom/training/fit.py"
    rate = "learning_rate = _learning_rate(config, n_batches)"
    assert rate in code.read_text(encoding="utf-8")
    code.write_text(code.read_text(encoding="utf-8").replace(rate, "learning_rate = float('inf')"))
    workspace.change({"model.name": "lstm"})  # it starts soonest
    printed = workspace.run("dvc", "repro", fails=True)
    said = [line for line in printed.splitlines() if line.startswith("soundloom: ")]
    assert said == [
        "soundloom: error: train.learning_rate is 0.004; in epoch 1 the training loss of batch 2 "
        "became nan: use a lower one",
        "soundloom: bringing back models/generator",
    ]
    assert "Traceback" not in printed
    assert outputs(workspace) == before
    assert [run.info.status for run in runs(workspace)] == ["FAILED"]
    workspace.run("git", "checkout", "-q", ".")
    assert workspace.repro() == ["track"]
    assert [run.info.status for run in runs(workspace)].count("FINISHED") == 1


def outputs(workspace: Project) -> dict[str, str | None]:
    """Digests of all outputs, but for the receipt of the track stage."""
    return {
        path: digest(workspace.folder / path)
        for stage, paths in outs_by_stage(workspace).items()
        for path in paths
        if stage != "track"
    }


def test_a_store_that_turns_read_only_midway_loses_nothing(workspace: Project) -> None:
    database = workspace.folder / "mlflow.db"
    hold_trainings(workspace)
    # Not what is between them, which writes to no store.
    repro = start(workspace, "dvc", "repro", "--single-item", "train", "track")
    wait_for(lambda: training_is_seen(workspace), 400)
    set_read_only(database, True)
    let_go_on(workspace)
    printed, _ = repro.communicate(timeout=240)
    assert repro.returncode == 0, printed
    assert printed.count("soundloom: warning: not recorded in MLflow (") == 1, printed
    assert "Traceback" not in printed
    receipt = workspace.folder / "reports/tracked.json"
    assert json.loads(receipt.read_text())["recorded"] is False

    # It waits also while the workspace moves on, and goes along with the next that is recorded.
    set_read_only(database, False)
    workspace.run("git", "checkout", "-q", ".")
    assert workspace.repro() == ["track"]
    assert json.loads(receipt.read_text())["recorded"] is True
    found = {run.data.params["train.epochs"]: run for run in runs(workspace)}
    assert set(found) == {"2", "4"}
    assert len(runs(workspace)) == 2
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert curve(workspace, found["4"]) == [1, 2, 3, 4]
    workspace.run("soundloom", "track", "--waiting")
    assert len(runs(workspace)) == 2


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


def test_a_locked_store_is_not_waited_for_until_it_opens(workspace: Project) -> None:
    workspace.change({"explore.rolloff_fraction": 0.5})
    database = workspace.folder / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        printed = workspace.run("dvc", "repro")
    assert "not recorded in MLflow (" in printed
    assert runs(workspace) == []
    workspace.run("soundloom", "track", "--waiting")
    assert only_run(workspace).data.params["explore.rolloff_fraction"] == "0.5"
