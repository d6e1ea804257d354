"""`make verify`, on a small pipeline that repeats itself, and on one that does not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from params import REPOSITORY
from projects import Project
from scripts import load_script
from soundloom.common.io import write_json, write_text

PIPELINE = """\
stages:
  same:
    cmd: echo same > same.txt && echo '{{"loss":0.5}}' > metrics/same.json
    outs: [same.txt]
    metrics: [metrics/same.json: {{cache: false}}]
  other:
    cmd: {command} > other.txt
    outs: [other.txt]
"""
LOCK = "stages: {{same: {{outs: [{{path: same.txt, md5: {md5}}}]}}}}\n"


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    """The script, as a module."""
    return load_script("bench/verify.py")


def test_what_differs_is_named_with_both_values(verify: ModuleType, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, md5, loss in ((one, "aa", 0.5), (other, "bb", 0.25)):
        write_text(folder / "dvc.lock", LOCK.format(md5=md5))
        write_json(folder / "metrics/train.json", {"fit": {"loss": loss}, "epochs": 3})
    assert list(verify.differences(one, one)) == []
    assert list(verify.differences(one, other)) == [
        "same.txt: aa here, bb there",
        "metrics/train.json: fit.loss is 0.5 here, 0.25 there",
    ]
    (other / "metrics/train.json").unlink()
    assert "metrics/train.json: epochs is 3 here, None there" in verify.differences(one, other)


@pytest.mark.slow
def test_clones_are_compared_with_each_other_and_with_the_commit(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    (project.folder / "metrics").mkdir(parents=True)
    (project.folder / "metrics/.gitkeep").touch()
    write_text(project.folder / "dvc.yaml", PIPELINE.format(command="echo other"))
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    project.run("dvc", "repro")
    write_json(project.folder / "metrics/same.json", {"loss": 0.25})
    project.commit("repeats itself, and was committed with another number")
    script = (sys.executable, str(REPOSITORY / "bench/verify.py"))
    printed = project.run(*script, fails=True)
    assert "two clones are equal, in 2 outputs and all metrics\nbut not to the commit" in printed
    assert printed.endswith("  metrics/same.json: loss is 0.5 here, 0.25 there\n")

    write_text(project.folder / "dvc.yaml", PIPELINE.format(command="od -An -N8 -tx8 /dev/urandom"))
    project.commit("does not")
    printed = project.run(*script, fails=True)
    assert "two clones differ:\n  other.txt: " in printed
    assert "same" not in printed.partition("two clones differ")[2]
