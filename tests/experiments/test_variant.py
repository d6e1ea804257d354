"""What of a workspace makes its variant: fingerprint, name, numbers, tags and files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from generated_project import add_evaluation, make_project
from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_json, write_json
from soundloom.config import Config
from soundloom.experiments.variant import describe, read_variant

LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "download": {
            "cmd": "python src/stage.py download",
            "deps": [{"path": "src/stage.py", "hash": "md5", "md5": "c0de", "size": 900}],
            "params": {"params.yaml": {"dataset": {"genre": "rock"}}},
            "outs": [
                {"path": "data/raw", "hash": "md5", "md5": "da7a.dir", "size": 9, "nfiles": 2}
            ],
        },
        "train": {"cmd": "python src/stage.py train", "outs": [{"path": "models", "md5": "30de1"}]},
        "track": {"cmd": "python src/stage.py track", "outs": [{"path": "receipt", "md5": "1"}]},
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been run, for :func:`workspace` to copy."""
    folder = tmp_path_factory.mktemp("finished")
    make_project(folder)
    write_json(folder / "metrics/spectrogram.json", {"n_frames": 12})
    write_json(folder / "metrics/generate.json", {"sample_00": {"peak": 0.5}})
    add_evaluation(folder)
    return folder


@pytest.fixture
def workspace(finished: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has been run, as working directory, outside git and DVC."""
    shutil.copytree(finished, project, dirs_exist_ok=True)
    save_lock(LOCK)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    # Should the temporary folder lie in a repository, that is not the project's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    return project


def save_lock(document: dict[str, Any]) -> None:
    Path("dvc.lock").write_text(yaml.safe_dump(document), encoding="utf-8")


def change_params(changes: dict[str, dict[str, Any]]) -> None:
    path = Path("params.yaml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        document[section] |= values
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit() -> str:
    git("init", "-q")
    git("add", "--all")
    git("commit", "-q", "-m", "all")
    return git("rev-parse", "HEAD")


@pytest.mark.usefixtures("workspace")
def test_equal_locks_give_equal_fingerprints_in_whatever_order_they_are_written() -> None:
    before = read_variant().fingerprint
    assert before == read_variant().fingerprint
    turned = dict(reversed(LOCK["stages"].items()))
    save_lock({"stages": turned, "schema": "2.0"})
    Path("dvc.lock").write_text(
        "# a comment\n" + yaml.safe_dump({"stages": turned}, sort_keys=False), encoding="utf-8"
    )
    assert read_variant().fingerprint == before


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("hash_", ["c0de", "da7a.dir", "30de1", "rock", "src/stage.py train"])
def test_any_difference_of_code_data_results_or_params_gives_another(hash_: str) -> None:
    before = read_variant().fingerprint
    text = Path("dvc.lock").read_text(encoding="utf-8")
    assert hash_ in text
    Path("dvc.lock").write_text(text.replace(hash_, f"{hash_}0"), encoding="utf-8")
    assert read_variant().fingerprint != before


@pytest.mark.usefixtures("workspace")
def test_the_track_stage_is_not_part_of_the_fingerprint() -> None:
    before = read_variant().fingerprint
    # Before its first run the lock has no entry of it, afterwards one that changes with its code.
    save_lock({"stages": {name: s for name, s in LOCK["stages"].items() if name != "track"}})
    assert read_variant().fingerprint == before
    save_lock({"stages": {**LOCK["stages"], "track": {"cmd": "other"}}})
    assert read_variant().fingerprint == before


@pytest.mark.usefixtures("workspace")
def test_name_is_the_experiments_or_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    head, patience = commit(), Config.load().train.patience
    assert read_variant().description.name == f"baseline {head[:7]}"
    change_params({"train": {"patience": 10}})
    assert read_variant().description.name == "patience 10"
    monkeypatch.setenv("DVC_EXP_NAME", "loud-moth")
    assert read_variant().description.name == "patience 10 (loud-moth)"
    # Of keys that end alike, as much as tells them apart.
    change_params({"train": {"patience": patience}, "generate": {"temperature": 0.61, "seed": 5}})
    description = read_variant().description
    assert set(description.name.removesuffix(" (loud-moth)").split(", ")) == {
        "temperature 0.61", "generate.seed 5",
    }  # fmt: skip
    assert description.changes["generate.temperature"] == ("1.0", "0.61")
    assert description.tags["dvc.experiment"] == "loud-moth"
    git("commit", "-q", "-a", "-m", "all of it")
    assert read_variant().description.name == "loud-moth"


@pytest.mark.usefixtures("workspace")
def test_tags_say_which_commit() -> None:
    head = commit()
    tags = read_variant().description.tags
    assert tags == {"git.commit": head, "git.dirty": "false"}
    Path("untracked.txt").touch()
    assert read_variant().description.tags["git.dirty"] == "false"
    change_params({"train": {"epochs": 10}})
    assert read_variant().description.tags["git.dirty"] == "true"


@pytest.mark.usefixtures("workspace")
def test_the_dataset_has_dvcs_hash() -> None:
    dataset = read_variant().dataset
    assert (dataset.name, dataset.digest) == ("rock (builtin)", "da7a.dir")


@pytest.mark.usefixtures("workspace")
def test_every_try_at_the_same_is_the_same_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    commit()
    attempt = read_variant().description.attempt
    monkeypatch.setenv("DVC_EXP_NAME", "second-try")
    assert read_variant().description.attempt == attempt
    change_params({"train": {"epochs": 10}})
    assert read_variant().description.attempt != attempt


@pytest.mark.usefixtures("workspace")
def test_where_work_is_done_makes_no_variant() -> None:
    commit()
    before = read_variant().description
    change_params({"compute": {"backend": "dask"}})
    after = read_variant().description
    assert (after.name, after.params, after.attempt) == (before.name, before.params, before.attempt)
    assert "track.experiment" in after.params
    assert not after.changes


@pytest.mark.usefixtures("workspace")
def test_outside_git_and_without_git_it_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = read_variant()
    assert outside.description.name == "baseline"
    assert not outside.description.tags
    assert not outside.description.changes
    monkeypatch.setenv("PATH", "")
    assert read_variant() == outside


@pytest.mark.usefixtures("workspace")
def test_a_repository_without_a_commit_has_no_tags() -> None:
    git("init", "-q")
    variant = read_variant()
    assert variant.description.name == "baseline"
    assert "git.commit" not in variant.description.tags


@pytest.mark.usefixtures("workspace")
def test_params_metrics_and_history_are_flat() -> None:
    variant, config = read_variant(), Config.load()
    assert variant.description.params["train.epochs"] == str(config.train.epochs)
    n_tracks = config.dataset.builtin.n_tracks
    assert variant.description.params["dataset.builtin.n_tracks"] == str(n_tracks)
    assert variant.description.params["generate.prompt"] == ""
    assert variant.metrics["train/loss"] == 0.123456789
    assert variant.metrics["explore/clip_01/tempo_bpm"] == 118.454
    assert [row["epoch"] for row in variant.history] == [1, 2, 3]
    assert variant.history[1]["val_loss"] == 0.25


@pytest.mark.usefixtures("workspace")
def test_small_numbers_are_numbers_as_dvc_writes_them() -> None:
    commit()
    # As `dvc exp run -S train.learning_rate=0.00005` does.
    yaml_1_2, path = YAML(), Path("params.yaml")
    document = yaml_1_2.load(path)
    document["train"]["learning_rate"] = 0.00005
    yaml_1_2.dump(document, path)
    assert "learning_rate: 5e-05\n" in path.read_text(encoding="utf-8")
    assert Config.load().train.learning_rate == 0.00005
    description = describe()
    assert description.params["train.learning_rate"] == "5e-05"
    assert description.name == "learning_rate 5e-05"


@pytest.mark.usefixtures("workspace")
def test_only_numbers_are_metrics() -> None:
    document = {"whole": 3, "good": True, "none": None, "many": [1, 2], "text": "1.5", "zero": 0.0}
    write_json(Path("metrics/train.json"), document)
    metrics = read_variant().metrics
    assert {key: value for key, value in metrics.items() if key.startswith("train/")} == {
        "train/whole": 3.0,
        "train/zero": 0.0,
    }


def test_artifacts_lie_under_the_same_names_in_every_run(workspace: Path) -> None:
    Path("models/generator").mkdir(parents=True)
    Path("src/soundloom/serving").mkdir(parents=True)
    for file in ("models/generator/model.json", "src/soundloom/serving/model.py"):
        Path(file).touch()
    Path("requirements.lock").touch()
    artifacts = read_variant().artifacts
    kept = {f"{folder}/{file.name}".lstrip("/") for folder, file in artifacts}
    assert {
        "params.yaml", "dvc.lock", "sample_00.wav", "sample_01.wav",
        "prompts/prompt_00.wav", "real/real_00.wav", "spectrograms/sample_00.png",
        "metrics/train.json", "metrics/history.csv",
        "model/generator/model.json", "model/requirements.lock",
        "model/code/soundloom/serving/model.py",
    } <= kept  # fmt: skip
    assert len(kept) == len(artifacts)
    assert all(file.is_file() for _, file in artifacts)
    # A variant without a follow-up of its prompt leaves no gap in the others' names.
    (workspace / "data/generated/real/real_00.wav").unlink()
    fewer = {f"{folder}/{file.name}".lstrip("/") for folder, file in read_variant().artifacts}
    assert kept - fewer == {"real/real_00.wav"}


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    "file",
    ["dvc.lock", "metrics/train.json", "metrics/generate.json", "metrics/history.csv",
     "data/raw/manifest.json"],
)  # fmt: skip
def test_where_the_pipeline_has_not_run_the_missing_file_is_named(file: str) -> None:
    Path(file).unlink()
    with pytest.raises(SoundloomError, match=f"^{file}: no such file; `dvc repro` makes it$"):
        read_variant()


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    "text", ["", "schema: '2.0'\n", "stages: {}\n", "<<<<<<< HEAD\nstages:\n=======\n"]
)
def test_a_broken_lock_is_named(text: str) -> None:
    Path("dvc.lock").write_text(text, encoding="utf-8")
    with pytest.raises(SoundloomError, match=r"^dvc\.lock: .*`dvc repro`"):
        read_variant()


def test_a_warning_of_the_training_is_part_of_it(workspace: Path) -> None:
    assert read_variant().warning == ""
    numbers = read_json(workspace / "metrics/train.json")
    write_json(workspace / "metrics/train.json", {**numbers, "warning": "worse than nothing"})
    assert read_variant().warning == "worse than nothing"
    assert "train/warning" not in read_variant().metrics
