"""Training reported while it runs, by real processes: seen at once, harmless when it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from page_server import environment
from params import small_config, write_params
from projects import wait_for
from soundloom.common.errors import SoundloomError
from soundloom.experiments.live_run import DESCRIPTION_TAG
from soundloom.experiments.store import RunStore
from soundloom.training.live import LiveReport
from tracked import give_store

pytestmark = pytest.mark.slow

ROWS = [{"epoch": number, "loss": 1 / number, "val_loss": 0.5} for number in (1, 2, 3)]


@pytest.fixture
def root(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with params.yaml, which is its own main repository."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_params(project)
    give_store(project)
    return project


def statuses(store: RunStore) -> list[str]:
    return [run.info.status for run in store.client.search_runs([store.experiment_id])]


def wait_for_epochs(store: RunStore, n_epochs: int) -> None:
    """Wait until the one run there is holds so many epochs."""

    def there() -> bool:
        found = store.client.search_runs([store.experiment_id])
        histories = (
            store.client.get_metric_history(run.info.run_id, "epoch/loss") for run in found
        )
        return any(len(history) == n_epochs for history in histories)

    wait_for(there, 120)


def said(store: RunStore) -> str:
    """Description of the one run there is, as soon as there is one."""
    (run,) = store.client.search_runs([store.experiment_id])
    wait_for(lambda: DESCRIPTION_TAG in tags_of(store, run.info.run_id), 120)
    return tags_of(store, run.info.run_id)[DESCRIPTION_TAG]


def tags_of(store: RunStore, run_id: str) -> dict[str, str]:
    return dict(store.client.get_run(run_id).data.tags)


def has_system_metrics(store: RunStore) -> bool:
    """Whether the one run there is holds MLflow's measurements of the machine."""
    (run,) = store.client.search_runs([store.experiment_id])
    return any(key.startswith("system/") for key in run.data.metrics)


def test_the_curve_grows_while_training_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.3")  # seconds
    store = RunStore(root, "soundloom")
    take = root / "epoch_02.wav"
    take.write_bytes(b"RIFF")
    with LiveReport() as live:
        live.begin(9, {"last": 0.75}, before=ROWS[:1])
        wait_for_epochs(store, 1)
        assert said(store).startswith("Epoch 1 of 9\n\n**validation loss 0.5** (having learnt noth")
        for number, row in enumerate(ROWS[1:], start=2):
            live.epoch(row)
            wait_for_epochs(store, number)
            assert statuses(store) == ["RUNNING"]
            live.take(take)
        wait_for(lambda: "*Artifacts*, `listen`" in said(store), 120)
        # How long, depends on how busy the machine is.
        assert re.match(r"Epoch 3 of 9, [a-z]+ .+ left\n\n", said(store))
        wait_for(lambda: has_system_metrics(store), 120)
    (run,) = store.client.search_runs([store.experiment_id])
    (heard,) = store.client.list_artifacts(run.info.run_id, "listen")
    assert heard.path == "listen/epoch_02.wav"
    assert said(store).startswith("Epoch 3 of 9\n\n")
    assert run.data.params["train.epochs"] == str(small_config().train.epochs)
    assert "mlflow.soundloom.history" in run.data.tags


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_training_that_dies_leaves_a_killed_run(root: Path, how: signal.Signals) -> None:
    store = RunStore(root, "soundloom")
    script = (
        "import signal, time; from soundloom.training.live import LiveReport\n"
        # Tests run in the background would pass on that interrupts are ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with LiveReport() as live:\n"
        f"    live.begin(3, {{}}); live.epoch({json.dumps(ROWS[0])}); time.sleep(600)"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_epochs(store, 1)
    if how == signal.SIGKILL:
        training.send_signal(how)
    else:
        os.killpg(training.pid, how)  # as a terminal does, and who ends a service or a job
    _, printed = training.communicate()
    assert "recorder" not in printed
    wait_for(lambda: statuses(store) == ["KILLED"], 120)


def test_a_broken_store_is_a_warning_and_training_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("soundloom.training.live._PATIENCE_SECONDS", 600)
    (root / "mlflow.db").write_bytes(b"this is no database, however long one reads it" * 100)
    with LiveReport() as live:
        live.begin(3, {})
        for row in ROWS:
            live.epoch(row)
        live.take(root / "epoch_03.wav")
    printed = capfd.readouterr().err.strip()
    assert printed.startswith("soundloom: warning: training is not shown live in MLflow (")
    assert "\n" not in printed


def test_a_training_that_fails_leaves_a_failed_run(root: Path) -> None:
    store = RunStore(root, "soundloom")

    def fail() -> None:
        with LiveReport() as live:
            live.begin(3, {})
            live.epoch(ROWS[0])
            raise SoundloomError("the loss became nan")

    with pytest.raises(SoundloomError, match="became nan"):
        fail()
    assert statuses(store) == ["FAILED"]
