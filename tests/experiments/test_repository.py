"""What git says of the project, and when it refuses to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from soundloom.experiments.repository import head, is_dirty, refusal
from soundloom.experiments.variant import describe


@pytest.fixture
def repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as working directory."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    (project / "metrics").mkdir()
    for name in ("params.yaml", "metrics/train.json", "dvc.lock", "code.py"):
        text = "dataset: {source: builtin, genre: rock}\n" if name == "params.yaml" else "{}\n"
        (project / name).write_text(text, encoding="utf-8")
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *command], check=True)
    return project


def test_outputs_that_are_being_rewritten_are_no_edits(repository: Path) -> None:
    assert describe().tags["git.dirty"] == "false"
    # DVC removes a stage's outputs before it runs, and writes its lock after each.
    (repository / "metrics/train.json").unlink()
    (repository / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    assert describe().tags["git.dirty"] == "false"
    assert is_dirty()  # they are changes all the same, which `restore` must not lose
    (repository / "code.py").write_text("edited\n", encoding="utf-8")
    assert describe().tags["git.dirty"] == "true"


def test_edited_parameters_are_edits(repository: Path) -> None:
    text = "dataset: {source: builtin, genre: metal}\n"
    (repository / "params.yaml").write_text(text, encoding="utf-8")
    assert describe().tags["git.dirty"] == "true"


def test_a_repository_of_another_user_is_told_with_gits_own_remedy(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal() is None
    assert head() is not None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests set it
    assert "git.commit" not in describe().tags
    (line,) = capsys.readouterr().err.splitlines()
    assert "the commit is not recorded" in line
    assert f"git config --global --add safe.directory {repository}" in line


def test_outside_a_repository_nothing_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    (project / "params.yaml").write_text(
        "dataset: {source: builtin, genre: rock}\n", encoding="utf-8"
    )
    assert describe().tags == {"source": "builtin", "genre": "rock"}
    assert capsys.readouterr().err == ""
