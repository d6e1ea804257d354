"""Runs that grow while a model trains: completed by their variant, never left beside it."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from soundloom.experiments.store import RunStore
from soundloom.experiments.summary import summary
from soundloom.experiments.variant import Variant
from tracked import run_ids


@pytest.fixture(autouse=True)
def training_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a quote in its name, as people's folders have."""
    folder = tmp_path / "band's folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(variant: Variant, training_folder: Path) -> Variant:
    """A variant that was trained in that folder."""
    return replace(variant, workspace=training_folder)


def test_a_live_run_becomes_the_variants(store: RunStore, trained: Variant) -> None:
    live = store.start_live(trained.description)
    for number, row in enumerate(trained.history, start=1):
        live.log_epoch(row)
        points = store.client.get_metric_history(live.run_id, "epoch/loss")
        assert [point.step for point in points] == list(range(1, number + 1))
    assert store.client.get_run(live.run_id).info.status == "RUNNING"
    live.describe("Epoch 2 of 10")
    live.log_take(str(trained.artifacts[0][1]))
    live.end(trained.history)
    assert store.record(trained) == live.run_id
    assert run_ids(store) == [live.run_id]
    run = store.client.get_run(live.run_id)
    assert run.data.tags["mlflow.note.content"] == summary(trained, live.run_id)
    (heard,) = store.client.list_artifacts(live.run_id, "listen")
    assert heard.path == "listen/sample_00.wav"
    assert run.info.status == "FINISHED"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123.dir"
    assert len(store.client.get_metric_history(live.run_id, "epoch/loss")) == 2
    # A second variant of the same training has a run of its own, with the whole curve.
    other = store.record(replace(trained, fingerprint="0" * 64))
    assert other != live.run_id
    assert len(store.client.get_metric_history(other, "epoch/loss")) == 2


def test_a_killed_training_leaves_no_second_run(store: RunStore, trained: Variant) -> None:
    killed = store.start_live(trained.description)
    killed.log_epoch(trained.history[0])
    killed.end_early("KILLED")
    assert store.client.get_run(killed.run_id).info.status == "KILLED"
    again = store.start_live(trained.description)
    assert run_ids(store) == [again.run_id]
    again.end(trained.history)
    assert store.record(trained) == again.run_id
    assert run_ids(store) == [again.run_id]


def test_the_run_of_a_training_killed_elsewhere_is_replaced(
    store: RunStore, variant: Variant, training_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.start_live(variant.description).end_early("KILLED")
    monkeypatch.chdir(training_folder.parent)  # a temporary workspace is another folder every time
    run_id = store.record(variant)
    assert run_ids(store) == [run_id]


def test_training_a_recorded_variant_again_leaves_its_run(
    store: RunStore, trained: Variant
) -> None:
    run_id = store.record(trained)
    store.start_live(trained.description).end(trained.history)
    assert store.record(trained) == run_id
    assert run_ids(store) == [run_id]


def test_a_run_whose_recorder_died_too_is_marked_as_killed(
    store: RunStore, trained: Variant
) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    orphan = store.start_live(trained.description)
    of_ended = f"{socket.gethostname()} {ended.pid} 1234567890"
    store.client.set_tag(orphan.run_id, "mlflow.soundloom.process", of_ended)
    other = replace(trained, description=replace(trained.description, params={"train.epochs": "9"}))
    assert store.client.get_run(orphan.run_id).info.status == "RUNNING"
    recorded = store.record(replace(other, workspace=trained.workspace.parent))
    assert set(run_ids(store)) == {orphan.run_id, recorded}
    assert store.client.get_run(orphan.run_id).info.status == "KILLED"


@pytest.fixture
def other(trained: Variant) -> Variant:
    """Of another training, and other parameters."""
    params = {"train.epochs": "1"}
    description = replace(trained.description, params=params)
    history = trained.history[:1]
    return replace(trained, fingerprint="0" * 64, history=history, description=description)


def status(store: RunStore, run_id: str) -> str:
    return str(store.client.get_run(run_id).info.status)


def test_a_training_whose_pipeline_was_left_for_another_is_kept_as_killed(
    store: RunStore, trained: Variant, other: Variant
) -> None:
    left = store.start_live(trained.description)
    left.end(trained.history)
    recorded = store.record(other)  # as DVC restored it: nothing was trained
    assert set(run_ids(store)) == {left.run_id, recorded}
    assert status(store, left.run_id) == "KILLED"
    again = store.start_live(trained.description)
    again.end(trained.history)
    third = store.start_live(other.description)
    assert [status(store, run) for run in (left.run_id, again.run_id)] == ["KILLED", "KILLED"]
    # Gone back to, it is completed; what only holds the same once more goes.
    third.end_early("FAILED")
    completed = store.record(trained)
    assert completed in (left.run_id, again.run_id)
    assert set(run_ids(store)) == {completed, recorded, third.run_id}
    assert status(store, completed) == "FINISHED"


def test_a_pipeline_that_fails_after_its_training_shows_and_is_completed_later(
    store: RunStore, trained: Variant, other: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = store.start_live(trained.description)
    for row in trained.history:
        live.log_epoch(row)
    live.end(trained.history)
    store.end_trained("FAILED")
    assert status(store, live.run_id) == "FAILED"
    store.start_live(other.description).end(other.history)
    assert status(store, live.run_id) == "FAILED"
    # Mended by a commit, and run in a temporary workspace, where DVC has the training already.
    monkeypatch.chdir(trained.workspace.parent)
    tags = {**trained.description.tags, "git.commit": "c" * 40}
    mended = replace(
        trained,
        workspace=trained.workspace.parent,
        description=replace(trained.description, tags=tags),
    )
    assert store.record(mended) == live.run_id
    assert status(store, live.run_id) == "FINISHED"
    assert store.client.get_run(live.run_id).data.tags["git.commit"] == "c" * 40
    assert len(store.client.get_metric_history(live.run_id, "epoch/loss")) == 2


def test_a_run_keeps_the_parameters_that_it_was_trained_with(
    store: RunStore, trained: Variant
) -> None:
    live = store.start_live(trained.description)
    live.end(trained.history)
    params = {**trained.description.params, "generate.prompt": "riff.wav"}
    changed = replace(trained, description=replace(trained.description, params=params))
    recorded = store.record(changed)
    assert store.client.get_run(recorded).data.params == params
    assert store.client.get_run(live.run_id).data.params == trained.description.params
    assert status(store, live.run_id) == "KILLED"


def test_what_breaks_while_a_run_is_completed_leaves_its_curves(
    store: RunStore, trained: Variant
) -> None:
    live = store.start_live(trained.description)
    live.end(trained.history)
    sound = trained.artifacts[1][1]
    sound.unlink()
    with pytest.raises(OSError, match=sound.name):
        store.record(trained)
    assert run_ids(store) == [live.run_id]
    sound.touch()
    assert store.record(trained) == live.run_id


def test_a_training_that_runs_still_is_left_alone(store: RunStore, trained: Variant) -> None:
    live = store.start_live(trained.description)
    recorded = store.record(replace(trained, fingerprint="0" * 64, history=()))
    assert set(run_ids(store)) == {live.run_id, recorded}
    assert store.client.get_run(live.run_id).info.status == "RUNNING"


def test_what_a_training_warned_of_is_seen(store: RunStore, trained: Variant) -> None:
    run_id = store.record(replace(trained, warning="it is worse than nothing"))
    assert store.client.get_run(run_id).data.tags["warning"] == "it is worse than nothing"
    other = store.record(replace(trained, fingerprint="0" * 64))
    assert "warning" not in store.client.get_run(other).data.tags
