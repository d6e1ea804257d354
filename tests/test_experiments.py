"""One variant, one MLflow run, whichever way DVC came by it: real DVC, real stores, tiny data."""

from __future__ import annotations

import re
import shutil

from projects import TINY, Project, wait_for
from tracked import curve, only_run, runs


def test_back_to_a_variant_is_back_to_its_run(workspace: Project) -> None:
    assert workspace.repro() == ["track"]
    first = only_run(workspace)
    workspace.change({"train.epochs": 1})
    assert workspace.repro() == ["train", "generate", "evaluate", "report", "track"]
    assert "train.epochs  2       1" in workspace.run("dvc", "params", "diff")
    assert re.search(r"metrics/train.json +epochs +2 +1 ", workspace.run("dvc", "metrics", "diff"))
    workspace.run("dvc", "plots", "diff", "--out", "plots")
    page = (workspace.folder / "plots/index.html").read_text(encoding="utf-8")
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page
    shutil.rmtree(workspace.folder / "plots")
    workspace.change({"train.epochs": 2})
    assert workspace.repro() == ["track"]
    assert {run.info.run_id for run in runs(workspace)} > {first.info.run_id}
    assert len(runs(workspace)) == 2
    # The first never trained in this store's lifetime, the second did: both have all of it.
    second = next(run for run in runs(workspace) if run.info.run_id != first.info.run_id)
    assert (curve(workspace, first), curve(workspace, second)) == ([1, 2], [1])
    assert second.info.run_name == "train.epochs=1"
    assert first.data.tags["stage.pairs"] == second.data.tags["stage.pairs"]
    assert first.data.tags["stage.train"] != second.data.tags["stage.train"]
    for run in (first, second):
        assert run.data.metrics["train/epochs"] == len(curve(workspace, run))
        assert "learning_rate" in run.data.metrics


def test_two_workers_on_a_fresh_store(workspace: Project) -> None:
    workspace.run("dvc", "exp", "run", "--queue", "-S", "train.epochs=3,4")
    workspace.run("dvc", "queue", "start", "--jobs", "2")
    wait_for(lambda: "Success" in workspace.run("dvc", "queue", "status") and idle(workspace), 240)
    found = runs(workspace)
    assert sorted(run.data.params["train.epochs"] for run in found) == ["3", "4"]
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        assert curve(workspace, run) == list(range(1, 1 + int(run.data.params["train.epochs"])))
        assert run.info.run_name == run.data.tags["dvc.experiment"]
        # In the main repository, not in the workspaces, which are gone.
        samples = f"mlartifacts/{run.info.run_id}/artifacts/sample_00.wav"
        assert (workspace.folder / samples).is_file()
    shown = workspace.run("dvc", "exp", "show", "--csv")
    assert all(run.info.run_name in shown for run in found)

    # Applying one makes it the workspace's variant: the same one, so the same run.
    workspace.run("dvc", "exp", "apply", found[0].info.run_name)
    assert workspace.repro() == ["track"]
    assert {run.info.run_id for run in runs(workspace)} == {run.info.run_id for run in found}
    workspace.run("dvc", "exp", "branch", found[0].info.run_name, "kept")
    assert "kept" in workspace.run("git", "branch", "--list", "kept")


def idle(workspace: Project) -> bool:
    return not {"Running", "Queued"} & set(workspace.run("dvc", "queue", "status").split())


PLAN = """\
title: Two of a kind
shared: [explore]
variants:
  plain: {}
  quite warm: {generate.temperature: 1.2}
columns:
  - {title: loss, metric: train/val_loss, best: lowest}
"""


def test_a_study_is_run_and_told(workspace: Project) -> None:
    (workspace.folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    workspace.run("soundloom", "study", "plan.yaml", "--out", "reports/study.md")
    text = (workspace.folder / "reports/study.md").read_text(encoding="utf-8")
    ids = re.findall(r"`([0-9a-f]{32})`", text)
    assert set(ids) == {run.info.run_id for run in runs(workspace)}
    assert len(ids) == 2
    # The workspace is as it was.
    assert workspace.run("git", "status", "--porcelain", "params.yaml") == ""


def test_tiny_is_tiny() -> None:
    assert TINY["train.epochs"] == 2  # as the curves above have it
