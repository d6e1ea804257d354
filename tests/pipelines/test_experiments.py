"""Many variants run side by side: real DVC and its queue, a real store, tiny data."""

from __future__ import annotations

import re

from params import small_config
from projects import Project
from tracked import curve, runs

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


def test_a_study_has_two_workers_on_a_fresh_store(workspace: Project) -> None:
    (workspace.folder / "two.yaml").write_text(STUDY, encoding="utf-8")
    workspace.run("soundloom", "study", "two.yaml", "--out", "reports/study.md")
    found, n_epochs = runs(workspace), small_config().train.epochs
    assert sorted(run.data.params["explore.rolloff_fraction"] for run in found) == ["0.5", "0.95"]
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        assert curve(workspace, run) == list(range(1, n_epochs + 1))
        fraction = run.data.params["explore.rolloff_fraction"]
        experiment = run.data.tags["dvc.experiment"]
        assert run.info.run_name == f"rolloff_fraction {fraction} ({experiment})"
        # In the main repository, not in the workspaces, which are gone.
        samples = f"mlartifacts/{run.info.run_id}/artifacts/sample_00.wav"
        assert (workspace.folder / samples).is_file()
    shown = workspace.run("sh", "-c", compare_recipe(workspace))
    assert all(run.data.tags["dvc.experiment"] in shown for run in found)
    # What was set, and none of the numbers of single clips that come of it.
    assert "explore.rolloff_fraction" in shown
    assert "rolloff_hz" not in shown

    text = (workspace.folder / "reports/study.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([0-9a-f]{32})`", text)
    assert sorted(listed) == sorted(run.info.run_id for run in found)
    # The workspace is as it was.
    assert workspace.run("git", "status", "--porcelain", "params.yaml") == ""

    # Applying one makes it the workspace's variant: the same one, so the same run.
    experiment = found[0].data.tags["dvc.experiment"]
    workspace.run("dvc", "exp", "apply", experiment)
    assert workspace.repro() == ["track"]
    assert {run.info.run_id for run in runs(workspace)} == {run.info.run_id for run in found}
    workspace.run("dvc", "exp", "branch", experiment, "kept")
    assert "kept" in workspace.run("git", "branch", "--list", "kept")
