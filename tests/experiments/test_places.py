"""MLflow's store stays with its project, whatever the folder is called and wherever it goes."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from projects import ODD_NAME
from soundloom.common.errors import SoundloomError
from soundloom.experiments.places import bring_along, own_uri
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Variant


@pytest.fixture
def recorded(root: Path, store: RunStore, variant: Variant) -> tuple[Path, str, str]:
    """A project with one run: its root, the experiment and the run's id."""
    run_id = store.record(variant)
    return root, store.client.get_experiment(store.experiment_id).name, run_id


def test_the_store_is_in_its_folder_and_nowhere_else(recorded: tuple[Path, str, str]) -> None:
    root, _, run_id = recorded
    assert root.name == ODD_NAME
    assert [path.name for path in root.parent.iterdir()] == [ODD_NAME]
    assert {path.name for path in root.iterdir()} == {".dvc", "mlflow.db", "mlartifacts"}
    assert (root / f"mlartifacts/{run_id}/artifacts/sample_00.wav").is_file()


def test_a_moved_project_finds_its_files_again(
    recorded: tuple[Path, str, str], variant: Variant, tmp_path: Path
) -> None:
    root, experiment, run_id = recorded
    moved = tmp_path / f"moved {ODD_NAME}"
    root.rename(moved)
    try:
        store = RunStore(moved, experiment)
        fetched = tmp_path / "fetched"
        fetched.mkdir()
        store.fetch(run_id, fetched)
        assert (fetched / "sample_00.wav").read_text() == "file of ''"
        another = store.record(replace(variant, fingerprint="0" * 64))
        assert (moved / f"mlartifacts/{another}/artifacts/sample_00.wav").is_file()
        assert not root.exists()
    finally:
        moved.rename(root)
    # And back again.
    again = RunStore(root, experiment).client.get_run(another)
    assert again.info.artifact_uri.startswith(root.as_uri())


def contents(folder: Path) -> dict[Path, bytes]:
    """Of every file; when it was written says less, as SQLite may touch what it does not change."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_leaves_the_original_alone(
    recorded: tuple[Path, str, str], variant: Variant, tmp_path: Path
) -> None:
    root, experiment, _ = recorded
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    before = contents(root)
    of_copy = RunStore(copy, experiment)
    new = of_copy.record(replace(variant, fingerprint="0" * 64))
    assert (copy / f"mlartifacts/{new}/artifacts/sample_00.wav").is_file()
    for artifacts in (copy / "mlartifacts").glob("[!m]*"):  # all but "models"
        of_run = of_copy.client.get_run(artifacts.name).info.artifact_uri
        assert of_run == (artifacts / "artifacts").as_uri()
    assert contents(root) == before


def test_files_that_were_left_behind_are_told(
    recorded: tuple[Path, str, str], tmp_path: Path
) -> None:
    root, experiment, run_id = recorded
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("mlartifacts"))
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    with pytest.raises(SoundloomError, match="its files are not in") as told:
        RunStore(copy, experiment).fetch(run_id, fetched)
    assert str(copy / "mlartifacts" / run_id) in str(told.value)
    assert str(root) not in str(told.value)


def test_places_that_are_not_a_projects_stay(recorded: tuple[Path, str, str]) -> None:
    root, experiment, _ = recorded
    client = RunStore(root, experiment).client
    kept = "s3://bucket/mlartifacts-of-ours"
    known = client.get_experiment(client.create_experiment(f"{experiment} elsewhere", kept))
    bring_along(root)
    assert client.get_experiment(known.experiment_id).artifact_location == kept


def test_files_outside_the_project_are_refused(root: Path, store: RunStore, tmp_path: Path) -> None:
    outside = (tmp_path / "bulk").as_uri()
    name = f"{store.client.get_experiment(store.experiment_id).name} outside"
    store.client.create_experiment(name, outside)
    with pytest.raises(SoundloomError, match="outside this project; name another") as told:
        RunStore(root, name)
    assert str(tmp_path / "bulk") in str(told.value)


def test_a_named_store_whose_files_are_gone_is_told(
    root: Path, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{store.client.get_experiment(store.experiment_id).name} elsewhere"
    place = tmp_path / "project"
    store.client.create_experiment(name, (place / "mlartifacts").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with pytest.raises(SoundloomError, match="which is gone; name another"):
        RunStore(root, name)
    place.mkdir()
    RunStore(root, name)


def test_a_path_that_no_address_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SoundloomError, match="is not UTF-8, which MLflow cannot store; rename it"):
        own_uri(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(SoundloomError, match="is not UTF-8"):
        RunStore(tmp_path / os.fsdecode(b"caf\xe9"), "soundloom")
    assert list(tmp_path.iterdir()) == []
