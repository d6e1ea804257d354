"""What a pull request is told: the comment of .ci/comment.py, and the workflow that posts it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from params import REPOSITORY
from projects import Project
from scripts import load_script
from soundloom.common.errors import SoundloomError
from soundloom.common.io import write_json, write_text
from soundloom.common.params import read_params

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PULL_REQUEST: dict[str, Any] = read_params(REPOSITORY / ".github/workflows/pull_request.yml")
PIPELINE = """\
stages:
  generate:
    cmd: cp -r audio data/generated
    params: [generate]
    deps: [audio]
    outs: [data/generated]
metrics: [metrics/train.json, metrics/evaluate.json]
"""
PICTURES = "data/generated/spectrograms"


@pytest.fixture(scope="module")
def comment() -> ModuleType:
    """The script, as a module."""
    return load_script(".ci/comment.py")


def write_variant(folder: Path, temperature: float, fad: float, made: bytes) -> None:
    """What a commit of the pipeline holds, but for most of it."""
    write_text(folder / "params.yaml", f"generate:\n  temperature: {temperature}\n")
    write_json(folder / "metrics/evaluate.json", {"fad": fad, "truth": {"tempo": 0.5}, "x": fad})
    in_words = f"it learns {fad} " * 20
    write_json(folder / "metrics/train.json", {"val_loss": fad / 100, "in_words": in_words})
    write_text(
        folder / "metrics/history.csv", f"epoch,loss,val_loss\n1,0.5,0.6\n2,0.4,{fad / 100}\n"
    )
    for name, content in {"sample_00": made, "real_00": b"real"}.items():
        write_text(folder / f"audio/spectrograms/{name}.png", content.decode())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Commits ``before`` and, on a branch that left it, ``now``; ``main`` has gone on since."""
    project = Project(tmp_path_factory.mktemp("pull request") / "project")
    folder = project.folder
    write_variant(folder, 1.0, 20.0, b"one")
    write_text(folder / "dvc.yaml", PIPELINE)
    write_text(folder / ".gitignore", "/data/\n")
    (folder / "data").mkdir()
    project.run("git", "init", "-q", "-b", "main")
    write_text(folder / ".dvc/config", "")
    write_text(folder / ".dvc/.gitignore", "/tmp\n/cache\n")
    project.run("dvc", "repro", "-q")
    project.commit("before")
    project.run("git", "tag", "before")
    project.run("git", "checkout", "-q", "-b", "now")
    write_variant(folder, 0.9, 18.0, b"another")
    project.run("dvc", "repro", "-q")
    project.commit("now")
    project.run("git", "checkout", "-q", "main")
    write_text(folder / "params.yaml", "generate:\n  temperature: 0.1\n")
    project.commit("later")
    return project


@pytest.mark.slow
def test_a_comment_of_two_commits(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    project.run(sys.executable, str(REPOSITORY / ".ci/comment.py"), "main", "now", str(out))
    text = (out / "comment.md").read_text(encoding="utf-8")
    before, now = (project.run("git", "rev-parse", name)[:7] for name in ("before", "now"))
    # Since the two parted: what main did afterwards is none of the branch's.
    assert text.startswith(f"### {before} → {now}\n")
    lines = [re.sub(r"\s+", " ", line) for line in text.splitlines()]
    assert "| params.yaml | generate.temperature | 1.0 | 0.9 |" in lines
    shown, folded = text.split("<details>")
    assert re.search(r"evaluate.json\s*\| fad\s*\| 20.0\s*\| 18.0\s*\| -2.0 ", shown)
    assert re.search(r"train.json\s*\| val_loss\s*\| 0.2\s*\| 0.18 ", shown)
    assert "2 other numbers differ" in folded
    assert re.search(r"evaluate.json\s*\| x ", folded)
    assert "truth.tempo" not in text
    pictures = re.findall(r"!\[.*?\]\((.+?)\)", text)
    assert pictures == ["loss.png", "before_00.png", "now_00.png", "real_00.png"]
    contents = [(out / picture).read_bytes() for picture in pictures]
    assert contents[0].startswith(b"\x89PNG")
    assert contents[1:] == [b"one", b"another", b"real"]
    assert {file.name for file in out.iterdir()} == {"comment.md", *pictures}
    assert project.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_spectrograms_that_are_the_same_or_nowhere(
    project: Project, comment: ModuleType, tmp_path: Path
) -> None:
    copy = project.duplicate(tmp_path / "copy")
    with contextlib.chdir(copy.folder):
        before, now = comment.commit_of("before"), comment.commit_of("now")
        (same,) = comment.spectrograms(now, now, tmp_path)
        comment._files_of.cache_clear()
        shutil.rmtree(copy.folder / ".dvc/cache")
        (nowhere,) = comment.spectrograms(before, now, tmp_path)
        with pytest.raises(SoundloomError, match=r"^no such: no commit here; give a branch"):
            comment.commit_of("no such")
    assert same.endswith("its spectrograms are, byte for byte.")
    assert nowhere.endswith(": `dvc push` them.")
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]


def test_a_long_text_makes_no_row_but_its_own_wider(project: Project, tmp_path: Path) -> None:
    script = str(REPOSITORY / ".ci/comment.py")
    project.run(sys.executable, script, "main", "now", str(tmp_path))
    rows = [line for line in (tmp_path / "comment.md").read_text().splitlines() if line[:1] == "|"]
    assert sum(len(row) > 120 for row in rows) == 1
    assert any("it learns" in row for row in rows)


def test_no_rows_are_said_in_words(comment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comment, "table", lambda *_: [])
    assert list(comment.numbers("a" * 40, "b" * 40)) == ["No number differs."]


def test_rows_that_would_not_fit_are_counted(
    comment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"| metrics/reference.json | n{number} | 1 | 2 | 1 |" for number in range(1000)]
    monkeypatch.setattr(comment, "table", lambda *_: ["| Path |", "|---|", *rows])
    parts = list(comment.numbers("a" * 40, "b" * 40))
    assert parts[0] == "<details><summary>1000 other numbers differ</summary>"
    assert parts[-2:] == ["The others: `dvc metrics diff aaaaaaa bbbbbbb`", "</details>"]
    assert len("".join(parts)) < 60_000


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits_and_tokens_only_read(workflow: Path) -> None:
    document = read_params(workflow)
    used = re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8"))
    assert used
    assert [
        line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", line)
    ] == []
    assert "write" not in document["permissions"].values()
    # It would give secrets and a token that writes to the code of strangers.
    assert "pull_request_target" not in document["on"]
    for job in document["jobs"].values():
        runs_what_it_checks_out = any("checkout" in step.get("uses", "") for step in job["steps"])
        if runs_what_it_checks_out:
            assert "write" not in job.get("permissions", {}).values()


def test_the_comment_is_posted_with_the_addresses_of_its_pictures(tmp_path: Path) -> None:
    (step,) = (s for s in PULL_REQUEST["jobs"]["comment"]["steps"] if s.get("name") == "Comment")
    remote, work = tmp_path / "server/owner/name", tmp_path / "work"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
    write_text(work / "comment/comment.md", "![Loss](loss.png) | ![now](now_00.png) [x](y)\n")
    for name in ("loss", "now_00"):
        write_text(work / f"comment/{name}.png", name)
    # A program in place of GitHub's, which says what it was asked for.
    write_text(tmp_path / "bin/gh", '#!/bin/sh\necho "gh $*"\n')
    (tmp_path / "bin/gh").chmod(0o755)
    server = (tmp_path / "server").as_uri()
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=work, text=True, capture_output=True, check=True,
        env={
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path),
            "GITHUB_SERVER_URL": server, "GITHUB_REPOSITORY": "owner/name", "NUMBER": "12",
        },
    )  # fmt: skip
    assert "pr comment 12 --repo owner/name --edit-last --create-if-none" in done.stdout

    def kept(*command: str) -> str:
        return subprocess.run(
            ["git", *command], cwd=remote, text=True, capture_output=True, check=True
        ).stdout

    (line,) = kept("for-each-ref").splitlines()
    commit, _, reference = line.replace("\t", " ").split(" ")
    assert reference == "refs/pictures/12"
    assert kept("show", f"{commit}:now_00.png") == "now_00"
    raw = f"{server}/owner/name/raw/{commit}"
    text = (work / "comment/comment.md").read_text(encoding="utf-8")
    assert text == f"![Loss]({raw}/loss.png) | ![now]({raw}/now_00.png) [x](y)\n"
