"""What git says of the project, and when it refuses to."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from soundloom.common.errors import SoundloomError
from soundloom.experiments.repository import command, head, is_dirty, refusal
from soundloom.experiments.restore import restore
from soundloom.experiments.store import RunStore
from soundloom.experiments.study import Study, run
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
    for step in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *step], check=True)
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


@pytest.mark.usefixtures("repository")
def test_what_must_have_the_commit_does_not_begin_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    remedy = "git config --global --add safe.directory"
    with pytest.raises(SoundloomError, match=remedy):
        restore(cast(RunStore, None), "0" * 32)
    with pytest.raises(SoundloomError, match=remedy):
        run(cast(Study, None))


def test_what_a_program_complains_of_is_told_and_not_how_it_ends() -> None:
    said = "ERROR: no such\nstage\n\nHaving any troubles? Hit us up"
    with pytest.raises(SoundloomError, match=r"^sh -c failed: ERROR: no such stage$"):
        command("sh", "-c", f"echo '{said}' >&2; exit 255")
    with pytest.raises(SoundloomError, match=r"^sh -c failed: exit status 3$"):
        command("sh", "-c", "exit 3")


def test_outside_a_repository_nothing_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    (project / "params.yaml").write_text("dataset: {source: builtin}\n", encoding="utf-8")
    assert describe().tags == {}
    assert capsys.readouterr().err == ""
