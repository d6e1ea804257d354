"""Runs in a real MLflow store: written whole, found again, one for each variant."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generated_project import HOSTILE_NAMES
from page_server import environment
from projects import ODD_NAME
from soundloom.common.errors import SoundloomError
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Description, Variant
from tracked import run_ids


def test_a_variant_is_one_run_however_often_it_is_recorded(
    store: RunStore, variant: Variant, root: Path
) -> None:
    run_id = store.record(variant)
    assert store.record(variant) == run_id
    again = RunStore(root, store.client.get_experiment(store.experiment_id).name)
    assert again.find(variant.fingerprint) == run_id
    assert run_ids(store) == [run_id]


def test_everything_reads_back(store: RunStore, variant: Variant, tmp_path: Path) -> None:
    run_id = store.record(variant)
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == store.name(run_id) == variant.description.name
    assert run.data.params == variant.description.params
    assert {key: run.data.metrics[key] for key in variant.metrics} == variant.metrics
    curve = store.client.get_metric_history(run_id, "epoch/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.1 + 0.2), (2, 0.25)]
    assert not {"epoch", "epoch/epoch"} & set(run.data.metrics)
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123.dir"
    folder = tmp_path / "fetched"
    folder.mkdir()
    tags = store.fetch(run_id, folder)
    assert variant.description.tags.items() <= tags.items()
    assert tags["mlflow.soundloom.stage.train"] == "5" * 12
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {"sample_00.wav", "prompts/sample_00.wav"}
    assert (folder / "sample_00.wav").read_text() == "file of ''"


def test_a_variant_may_be_of_anything_whatever_it_is_called(
    store: RunStore, variant: Variant, tmp_path: Path
) -> None:
    """Names reach MLflow in parameters and names of runs; the files of a variant have its own."""
    names = {str(number): name for number, name in enumerate(HOSTILE_NAMES)}
    files = {name: tmp_path / name for name in ("-rf.py", ".hidden", "it's 🎸.py")}
    for name, file in files.items():
        file.write_text(name, encoding="utf-8")
    description = replace(variant.description, name=" ".join(names.values()), params=names)
    of_files = tuple(("code/src", file) for file in files.values())
    run_id = store.record(replace(variant, description=description, artifacts=of_files))
    assert store.client.get_run(run_id).data.params == names
    folder = tmp_path / "fetched"
    folder.mkdir()
    store.fetch(run_id, folder)
    for name in files:
        assert (folder / "code/src" / name).read_text(encoding="utf-8") == name


def test_artifacts_are_under_the_root_wherever_the_stage_runs(
    store: RunStore, variant: Variant, root: Path
) -> None:
    run_id = store.record(variant)
    assert (root / f"mlartifacts/{run_id}/artifacts/sample_00.wav").is_file()


def test_finished_runs_are_named_the_latest_first(store: RunStore, variant: Variant) -> None:
    assert store.names() == {}
    first = store.record(variant)
    second = store.record(replace(variant, fingerprint="0" * 64))
    store.start_live(variant.description)
    assert list(store.names().items()) == [(second, "näme"), (first, "näme")]


def test_another_fingerprint_is_another_run(store: RunStore, variant: Variant) -> None:
    first = store.record(variant)
    second = store.record(replace(variant, fingerprint="0" * 64))
    assert first != second
    assert store.find("0" * 64) == second
    assert store.find("1" * 64) is None


def test_the_latest_run_with_some_parameters_is_found(store: RunStore, variant: Variant) -> None:
    store.record(variant)
    latest = store.record(replace(variant, fingerprint="0" * 64, metrics={"train/loss": 0.5}))
    found = store.find_latest({"train.epochs": "10"})
    assert found is not None
    assert found.run_id == latest
    assert found.metrics["train/loss"] == 0.5
    assert store.find_latest({"train.epochs": "11"}) is None


def test_a_run_still_being_written_is_not_found_and_gives_way(
    store: RunStore, variant: Variant
) -> None:
    tags = {"mlflow.soundloom.fingerprint": variant.fingerprint}
    left_behind = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    assert store.find(variant.fingerprint) is None
    run_id = store.record(variant)
    assert run_id != left_behind
    assert run_ids(store) == [run_id]


def test_what_breaks_midway_leaves_no_run_and_the_next_is_whole(
    store: RunStore, variant: Variant
) -> None:
    sound = variant.artifacts[1][1]
    sound.unlink()
    with pytest.raises(OSError, match=sound.name):
        store.record(variant)
    assert run_ids(store) == []
    sound.touch()
    run_id = store.record(variant)
    assert run_ids(store) == [run_id]
    assert store.client.list_artifacts(run_id, "prompts")


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
    points = store.client.get_metric_history(run_id, "epoch/loss")
    assert sorted(point.step for point in points) == list(range(1, 1201))


def test_a_run_that_is_unknown_or_no_variants_is_not_fetched(
    store: RunStore, tmp_path: Path
) -> None:
    with pytest.raises(SoundloomError, match=r"run 'abc' is not in .*mlflow\.db: "):
        store.fetch("abc", tmp_path)
    run_id = store.client.create_run(store.experiment_id).info.run_id
    with pytest.raises(SoundloomError, match=f"run '{run_id}' holds no finished variant"):
        store.fetch(run_id, tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"garbage" * 999)])
def test_a_file_that_is_no_store_is_named_at_once(
    tmp_path: Path, make: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make(tmp_path / "mlflow.db")
    with pytest.raises(SoundloomError, match=r"mlflow\.db: cannot be used as MLflow's store: "):
        RunStore(tmp_path, "soundloom")


def test_a_deleted_experiment_is_told_with_the_way_back(store: RunStore, root: Path) -> None:
    name = store.client.get_experiment(store.experiment_id).name
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(SoundloomError, match="was deleted on MLflow's page") as told:
        RunStore(root, name)
    assert f"mlflow experiments restore --experiment-id {store.experiment_id}" in str(told.value)
    store.client.restore_experiment(store.experiment_id)
    assert RunStore(root, name).experiment_id == store.experiment_id


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("451aebb31d03", "written by an older MLflow.*mlflow db upgrade 'sqlite"),
        ("f00dfeedbeef", "written by a newer MLflow"),
    ],
)
def test_a_store_of_another_mlflow_is_told_in_one_line(
    root: Path, tmp_path: Path, revision: str, message: str, store: RunStore
) -> None:
    other = tmp_path / "100%25 a folder with spaces"
    other.mkdir()
    shutil.copyfile(root / "mlflow.db", other / "mlflow.db")
    with closing(sqlite3.connect(other / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.commit()
    with pytest.raises(SoundloomError, match=message) as told:
        RunStore(other, "soundloom")
    assert "\n" not in str(told.value)


def test_a_server_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(SoundloomError, match=rf":{port} \(from .*\): does not answer"):
        RunStore(tmp_path, "soundloom")


@pytest.mark.slow
def test_processes_that_open_a_fresh_store_at_once_share_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from soundloom.experiments.store import RunStore;"
        "print(RunStore(Path(sys.argv[1]), 'soundloom').experiment_id)"
    )
    opening = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    printed = [process.communicate() for process in opening]
    assert [process.returncode for process in opening] == [0, 0], printed
    # One experiment, and nothing printed about tables.
    assert printed == [printed[0]] * 2
    assert printed[0][1] == ""


def test_the_environment_names_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the root, wherever the process is: temporary workspaces do not last."""
    root = tmp_path / ODD_NAME
    (root / "elsewhere").mkdir(parents=True)
    from sqlalchemy import URL

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere/other.db")
    other = RunStore(root, "soundloom")
    assert (root / "elsewhere/other.db").exists()
    assert not (root / "mlflow.db").exists()
    named = URL.create("sqlite", database=str(root / "elsewhere/other.db")).render_as_string()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    assert RunStore(root, "soundloom", create=False).experiment_id == other.experiment_id


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:hidden@host/db", "postgresql://***@host/db"),
        ("postgresql://host/db?user=me&password=hidden", "password=***"),
        ("http://me:hidden@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("ftp://me:hidden@host/", "ftp://***@host/"),
        ("sqlite:///missing/mlflow.db", "there is no folder"),
        ("sqlite:///foreign.db", "cannot be used as MLflow's store: it is none"),
    ],
)
def test_what_is_wrong_with_a_named_store_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as database:
        database.execute("CREATE TABLE bookmarks (place TEXT)")
    before = (tmp_path / "foreign.db").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SoundloomError, match=re.escape(told)) as raised:
        RunStore(tmp_path, "soundloom")
    assert "(from MLFLOW_TRACKING_URI): " in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == {".dvc", "foreign.db"}
    assert (tmp_path / "foreign.db").read_bytes() == before


@pytest.mark.parametrize("named", [None, "sqlite:///typo.db", "sqlite:///empty.db"])
def test_who_reads_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if named:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    (tmp_path / "empty.db").touch()
    with pytest.raises(
        SoundloomError, match=r"\.db.*: (no such file: .*; `make repro` trains a model .*|.*none)$"
    ):
        RunStore(tmp_path, "soundloom", create=False)
    assert {path.name for path in tmp_path.iterdir()} == {".dvc", "empty.db"}
    assert (tmp_path / "empty.db").read_bytes() == b""


def test_who_reads_makes_no_experiment(store: RunStore, root: Path) -> None:
    reading = RunStore(root, "one that nobody made", create=False)
    assert reading.experiment_id == ""
    assert store.client.get_experiment_by_name("one that nobody made") is None
