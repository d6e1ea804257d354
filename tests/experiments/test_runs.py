"""Runs in real MLflow stores: written whole, found again, and never the pipeline's failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generated_project import finish_project, make_project
from soundloom.common.errors import SoundloomError
from soundloom.experiments.runs import RunStore, main_root
from soundloom.experiments.variant import Dataset, Description, Variant
from soundloom.stages import track as track_stage

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's root, whose store is made once; each test has its own experiment in it."""
    folder = tmp_path_factory.mktemp("store") / "a rôot with spaces"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return RunStore(root, request.node.name)


@pytest.fixture
def variant(tmp_path: Path) -> Variant:
    sound = tmp_path / "sample_00.wav"
    sound.write_bytes(b"RIFF")
    params = tmp_path / "params.yaml"
    params.write_text("train: {}\n")
    return Variant(
        fingerprint="f" * 64,
        description=Description(
            name="train.epochs=10",
            params={"train.epochs": "10", "generate.prompt": ""},
            tags={"source": "builtin", "git.dirty": "true"},
        ),
        metrics={"train/loss": 0.25, "generate/sample_00/peak": 1.0},
        history=({"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.25}),
        dataset=Dataset("rock (builtin)", "0123.dir"),
        artifacts=(("", params), ("samples", sound)),
        stages={"train": "5" * 64},
        workspace=Path.cwd(),
    )


def runs(store: RunStore) -> list[str]:
    """Ids of all runs that are not deleted, finished or not."""
    return [run.info.run_id for run in store.client.search_runs([store.experiment_id])]


def test_a_variant_is_one_run_however_often_it_is_recorded(
    store: RunStore, variant: Variant, root: Path
) -> None:
    run_id = store.record(variant)
    assert store.record(variant) == run_id
    assert RunStore(root, store.client.get_experiment(store.experiment_id).name).find(
        variant.fingerprint
    ) == run_id  # fmt: skip
    assert runs(store) == [run_id]


def test_the_run_that_is_told_has_its_own_name(
    store: RunStore, variant: Variant, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = store.record(variant)
    assert store.name(run_id) == "train.epochs=10"
    params = {"track.experiment": store.client.get_experiment(store.experiment_id).name}
    renamed = replace(variant.description, name="study-warm", params=params)
    assert track_stage._record(root, replace(variant, description=renamed)) is None
    assert capsys.readouterr().out == f"MLflow run {run_id} (train.epochs=10)\n"


def test_everything_reads_back(store: RunStore, variant: Variant) -> None:
    run_id = store.record(variant)
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == variant.description.name
    assert run.data.params == variant.description.params
    assert {key: run.data.metrics[key] for key in variant.metrics} == variant.metrics
    curve = store.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]
    assert "epoch" not in run.data.metrics
    assert variant.description.tags.items() <= run.data.tags.items()
    assert run.data.tags["stage.train"] == "5" * 12
    read = store.client.download_artifacts(run_id, "samples/sample_00.wav")
    assert Path(read).read_bytes() == b"RIFF"
    assert {entry.path for entry in store.client.list_artifacts(run_id)} == {
        "params.yaml", "samples",
    }  # fmt: skip


def test_artifacts_lie_under_the_root_wherever_the_stage_runs(
    store: RunStore, variant: Variant, root: Path
) -> None:
    run_id = store.record(variant)
    assert len(list((root / "mlartifacts").glob(f"{run_id}/artifacts/params.yaml"))) == 1


def test_what_a_killed_process_left_behind_is_replaced(store: RunStore, variant: Variant) -> None:
    tags = {"soundloom.fingerprint": variant.fingerprint}
    left_behind = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    assert store.find(variant.fingerprint) is None
    run_id = store.record(variant)
    assert run_id != left_behind
    assert runs(store) == [run_id]


@pytest.fixture
def training_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a quote in its name, as people's folders have."""
    folder = tmp_path / "band's folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("training_folder")
def test_a_run_watched_live_becomes_the_variants(store: RunStore, variant: Variant) -> None:
    live = store.start_live(variant.description)
    for number, row in enumerate(variant.history, start=1):
        live.log_epoch(row)
        points = store.client.get_metric_history(live.run_id, "loss")
        assert [point.step for point in points] == list(range(1, number + 1))
    assert store.client.get_run(live.run_id).info.status == "RUNNING"
    live.end(variant.history)
    assert store.record(variant) == live.run_id
    assert runs(store) == [live.run_id]
    run = store.client.get_run(live.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["data"] == "0123.dir"
    assert len(store.client.get_metric_history(live.run_id, "loss")) == 2
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123.dir"
    # A second variant of the same training has a run of its own, with the whole curve.
    other = store.record(replace(variant, fingerprint="0" * 64))
    assert other != live.run_id
    assert len(store.client.get_metric_history(other, "loss")) == 2


@pytest.mark.usefixtures("training_folder")
def test_a_killed_training_leaves_no_second_run(store: RunStore, variant: Variant) -> None:
    killed = store.start_live(variant.description)
    killed.log_epoch(variant.history[0])
    killed.end(None)
    assert store.client.get_run(killed.run_id).info.status == "KILLED"
    again = store.start_live(variant.description)
    assert runs(store) == [again.run_id]
    again.end(variant.history)
    assert store.record(variant) == again.run_id
    assert runs(store) == [again.run_id]


def test_a_training_killed_elsewhere_is_replaced_too(
    store: RunStore, variant: Variant, training_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.start_live(variant.description).end(None)
    monkeypatch.chdir(training_folder.parent)  # a temporary workspace is another folder every time
    run_id = store.record(variant)
    assert runs(store) == [run_id]


@pytest.mark.usefixtures("training_folder")
def test_retraining_a_known_variant_leaves_its_run(store: RunStore, variant: Variant) -> None:
    run_id = store.record(variant)
    store.start_live(variant.description).end(variant.history)
    assert store.record(variant) == run_id
    assert runs(store) == [run_id]


def test_another_fingerprint_is_another_run(store: RunStore, variant: Variant) -> None:
    first = store.record(variant)
    second = store.record(replace(variant, fingerprint="0" * 64))
    assert first != second
    assert store.find("0" * 64) == second
    assert store.find("1" * 64) is None


def test_a_run_that_broke_midway_is_none_and_the_next_is_whole(
    store: RunStore, variant: Variant
) -> None:
    sound = variant.artifacts[1][1]
    sound.unlink()
    with pytest.raises(OSError, match=sound.name):
        store.record(variant)
    assert store.find(variant.fingerprint) is None
    assert runs(store) == []
    sound.write_bytes(b"RIFF")
    run_id = store.record(variant)
    assert runs(store) == [run_id]
    assert store.client.list_artifacts(run_id, "samples")


def test_a_run_still_being_written_is_not_found(store: RunStore, variant: Variant) -> None:
    store.client.create_run(
        store.experiment_id, tags={"soundloom.fingerprint": variant.fingerprint}
    )
    assert store.find(variant.fingerprint) is None


def test_more_and_longer_than_mlflow_takes_at_once(store: RunStore, variant: Variant) -> None:
    many = replace(
        variant,
        description=Description(
            name="n" * 1000,
            params={**{f"p{n}": str(n) for n in range(250)}, "long": "x" * 10_000},
            tags={},
        ),
        history=tuple({"epoch": float(n), "loss": 1 / n, "val": 0.5} for n in range(1, 1201)),
    )
    run_id = store.record(many)
    run = store.client.get_run(run_id)
    assert len(run.data.params) == 251
    assert run.data.params["p249"] == "249"
    assert set(run.data.params["long"]) == {"x"}
    assert 1000 < len(run.data.params["long"]) < 10_000
    points = store.client.get_metric_history(run_id, "loss")
    assert sorted(point.step for point in points) == list(range(1, 1201))


def test_the_root_is_dvcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main_root() == tmp_path.resolve()
    (tmp_path / "main").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert main_root() == (tmp_path / "main").resolve()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"garbage" * 999)])
def test_a_store_that_is_none_is_told_at_once(
    tmp_path: Path, make: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make(tmp_path / "mlflow.db")
    with pytest.raises(SoundloomError, match=r"mlflow\.db: cannot be used as MLflow's store: "):
        RunStore(tmp_path, "soundloom")


def test_processes_that_open_a_fresh_store_at_once_share_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from soundloom.tracking import RunStore;"
        "print(RunStore(Path(sys.argv[1]), 'soundloom').experiment_id)"
    )
    opening = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    printed = [process.communicate(timeout=60) for process in opening]
    assert [process.returncode for process in opening] == [0, 0, 0], printed
    # One experiment, and not a word about tables.
    assert printed == [printed[0]] * 3
    assert printed[0][1] == ""


def environment(**changes: str) -> dict[str, str]:
    """Of a stage run by DVC, without the settings of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "MLFLOW_", "SOUNDLOOM_"))
    }
    return {**kept, "PYTHONPATH": str(SOURCE), **changes}


@pytest.fixture
def workspace(project: Path) -> Path:
    """A temporary workspace of DVC's, in which the pipeline has run up to the track stage."""
    make_project(project)
    finish_project(project)
    (project.parent / "main").mkdir()
    return project


def track(workspace: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """The track stage, in a process of its own, of the main repository beside ``workspace``."""
    return subprocess.run(
        [sys.executable, str(SOURCE / "stage.py"), "track"],
        env=environment(DVC_ROOT=str(workspace.parent / "main"), **changes),
        cwd=workspace, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def receipt(workspace: Path) -> dict[str, Any]:
    return json.loads((workspace / "reports/tracked.json").read_text())


def test_a_broken_store_is_a_warning_and_is_made_good_later(workspace: Path) -> None:
    database = workspace.parent / "main/mlflow.db"
    database.write_bytes(b"garbage" * 999)
    done = track(workspace)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"soundloom: warning: not recorded in MLflow ({database}: ")
    assert "it is kept until the next variant is recorded, or `soundloom track`" in done.stderr
    waiting = workspace.parent / "main/.dvc/tmp/soundloom/waiting"
    assert len(list(waiting.iterdir())) == 1
    assert receipt(workspace)["recorded"] is False
    assert database.read_bytes() == b"garbage" * 999

    database.unlink()
    done = track(workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert receipt(workspace)["recorded"] is True
    assert done.stdout.count("MLflow run ") == 1
    assert not list(waiting.iterdir())
    # In the main repository, which stays, not in the workspace, which goes.
    assert database.exists()
    assert list(database.parent.glob("mlartifacts/*/artifacts/sample_00.wav"))
    assert not list(workspace.glob("ml*"))


def test_a_server_that_does_not_answer_is_a_warning_too(workspace: Path) -> None:
    done = track(
        workspace,
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0",
        MLFLOW_HTTP_REQUEST_BACKOFF_JITTER="0",
    )
    assert done.returncode == 0
    assert "warning: not recorded in MLflow (" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert receipt(workspace)["recorded"] is False


def test_the_environment_names_another_store(
    root: Path, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path / 'elsewhere/other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    other = RunStore(tmp_path, "soundloom")
    assert other.uri == uri
    assert (tmp_path / "elsewhere/other.db").exists()
    assert not (tmp_path / "mlflow.db").exists()
