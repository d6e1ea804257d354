"""Fixtures of the tests of variants and their runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dvc_stand_in import Dvc
from projects import ODD_NAME
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Dataset, Description, Variant


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's root, whose store is made once; each test has its own experiment in it."""
    folder = tmp_path_factory.mktemp("store") / ODD_NAME
    folder.mkdir()
    return folder


@pytest.fixture
def store(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An experiment of the test's own, in the store of ``root``."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return RunStore(root, request.node.name)


@pytest.fixture
def variant(tmp_path: Path) -> Variant:
    """A variant of two files, two epochs and two numbers."""
    files = {"": tmp_path / "sample_00.wav", "prompts": tmp_path / "prompts/sample_00.wav"}
    for folder, file in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"file of {folder!r}", encoding="utf-8")
    return Variant(
        fingerprint="f" * 64,
        description=Description(
            name="näme",
            params={"train.epochs": "10", "generate.prompt": ""},
            tags={"git.dirty": "true"},
        ),
        metrics={"train/loss": 0.25, "generate/sample_00/peak": 1.0},
        history=({"epoch": 1.0, "loss": 0.1 + 0.2}, {"epoch": 2.0, "loss": 0.25}),
        dataset=Dataset("rock (builtin)", "0123.dir"),
        artifacts=tuple(files.items()),
        stages={"train": "5" * 64},
        workspace=Path.cwd(),
    )


@pytest.fixture
def dvc(project: Path, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    """A stand-in for DVC, in place of it; between two looks nothing is waited for."""
    if sys.platform == "win32":
        pytest.skip("a shell script")
    stand_in = Dvc(project / "bin")
    monkeypatch.setenv("PATH", f"{stand_in.folder}:/usr/bin:/bin")
    monkeypatch.setattr("soundloom.experiments.queue._POLL_SECONDS", 0.0)
    return stand_in
