"""Many variants run side by side: real DVC and its queue, a real store, tiny data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from params import small_config
from projects import Project
from tracked import curve, give_store, runs

STUDY = """\
title: Two of a kind
shared: [spectrogram]
jobs: 2
variants:
  low: {explore.rolloff_fraction: 0.5}
  quite high: {explore.rolloff_fraction: 0.95}
columns:
  - {title: loss, metric: train/val_loss, best: lowest}
"""


def compare_recipe(project: Project) -> str:
    """The command that `make compare` runs, once an environment is there."""
    printed = project.run("make", "--no-print-directory", "--dry-run", "compare")
    return printed[printed.index("dvc exp show") :]


# The same two, whose outputs DVC's run-cache has by then.
SEARCH = """\
title: The better of two
jobs: 2
search:
  trials: 2
  sampler: grid
  objective: explore/clip_00/rolloff_hz
  space: {explore.rolloff_fraction: {values: [0.5, 0.95]}}
"""


@pytest.fixture(scope="module")
def studied(built_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The built project after a study that found an empty store."""
    project = built_project.duplicate(tmp_path_factory.mktemp("studied") / "project")
    give_store(project.folder)
    (project.folder / "two.yaml").write_text(STUDY, encoding="utf-8")
    project.run("soundloom", "study", "two.yaml", "--out", "reports/study.md")
    return project


def test_a_study_has_two_workers_on_a_fresh_store(studied: Project) -> None:
    found, n_epochs = runs(studied), small_config().train.epochs
    assert sorted(run.data.params["explore.rolloff_fraction"] for run in found) == ["0.5", "0.95"]
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        assert curve(studied, run) == list(range(1, n_epochs + 1))
        fraction = run.data.params["explore.rolloff_fraction"]
        experiment = run.data.tags["dvc.experiment"]
        assert run.info.run_name == f"rolloff_fraction {fraction} ({experiment})"
        # In the main repository, not in the workspaces, which are gone.
        samples = f"mlartifacts/{run.info.run_id}/artifacts/sample_00.wav"
        assert (studied.folder / samples).is_file()
    shown = studied.run("sh", "-c", compare_recipe(studied))
    assert all(run.data.tags["dvc.experiment"] in shown for run in found)
    # What was set, and none of the numbers of single clips that come of it.
    assert "explore.rolloff_fraction" in shown
    assert "rolloff_hz" not in shown

    text = (studied.folder / "reports/study.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([0-9a-f]{32})`", text)
    assert sorted(listed) == sorted(run.info.run_id for run in found)
    # The workspace is as it was.
    assert studied.run("git", "status", "--porcelain", "params.yaml") == ""


def test_a_search_says_which_is_best_and_another_clone_knows_it(
    studied: Project, tmp_path: Path
) -> None:
    before = {run.info.run_id for run in runs(studied)}
    journal = str(tmp_path / "journal")
    search = ("soundloom", "study", "search.yaml", "--journal", journal)
    (studied.folder / "search.yaml").write_text(SEARCH, encoding="utf-8")
    printed = studied.run(*search)
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| trial ")]
    # Half of a clip's power lies lower than nineteen parts of twenty do.
    assert [row[1] for row in rows] == [f"`explore.rolloff_fraction={one}`" for one in (0.5, 0.95)]
    lower, higher = (float(row[2].strip("*")) for row in rows)
    assert lower < higher
    assert rows[0][2].startswith("**")
    # Their runs are those of the study: a variant has one.
    assert {run.info.run_id for run in runs(studied)} == before
    assert {row[-1].strip("|` ") for row in rows} == before

    studied.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{studied.folder / 'mlflow.db'}"
    (clone.folder / "search.yaml").write_text(SEARCH, encoding="utf-8")
    there = clone.run(*search)
    assert [line.split(" | ") for line in there.splitlines() if line.startswith("| trial ")] == rows
    assert clone.run("dvc", "exp", "list", "--name-only").split() == []


def test_a_variant_that_is_applied_keeps_its_run(studied: Project) -> None:
    found = runs(studied)
    experiment = found[0].data.tags["dvc.experiment"]
    studied.run("dvc", "exp", "apply", experiment)
    assert studied.repro() == ["track"]
    assert {run.info.run_id for run in runs(studied)} == {run.info.run_id for run in found}
    studied.run("dvc", "exp", "branch", experiment, "kept")
    assert "kept" in studied.run("git", "branch", "--list", "kept")
