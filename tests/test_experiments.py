"""One variant, one MLflow run, whichever way DVC came by it: real DVC, real stores, tiny data."""

from __future__ import annotations

import json
import re
import shutil

import yaml

from projects import TINY, Project, wait_for
from tracked import curve, only_run, read, runs


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


def test_edited_code_runs_in_a_temporary_workspace_and_can_be_brought_back(
    workspace: Project,
) -> None:
    module = workspace.folder / "src/soundloom/metrics/levels.py"
    edited = module.read_text(encoding="utf-8").replace("20.0 * float", "1000.0 + 20.0 * float")
    module.write_text(edited, encoding="utf-8")
    workspace.run("dvc", "exp", "run", "--temp", "--name", "louder")
    run = only_run(workspace)
    assert run.data.metrics["generate/sample_00/peak_dbfs"] > 900
    assert run.info.run_name == "louder"
    assert run.data.tags["git.dirty"] == "true"
    assert read(workspace, run, "code/src/soundloom/metrics/levels.py") == edited

    # Later, elsewhere in the history, with other work under way.
    workspace.run("git", "checkout", "-q", ".")
    (workspace.folder / "README.md").write_text("Later.\n", encoding="utf-8")
    workspace.run("git", "commit", "-q", "-a", "-m", "later")
    workspace.change({"train.epochs": 9})
    printed = workspace.run("soundloom", "restore", run.info.run_id)
    assert "git stash pop" in printed
    assert module.read_text(encoding="utf-8") == edited
    assert workspace.run("git", "rev-parse", "HEAD").strip() == run.data.tags["git.commit"]
    numbers = json.loads((workspace.folder / "metrics/generate.json").read_text())
    assert numbers["sample_00"]["peak_dbfs"] > 900
    assert workspace.repro() == ["track"]
    assert only_run(workspace).info.run_id == run.info.run_id
    workspace.run("git", "checkout", "-q", ".")
    workspace.run("git", "checkout", "-q", "main")
    workspace.run("git", "stash", "pop", "-q")
    assert "epochs: 9" in (workspace.folder / "params.yaml").read_text(encoding="utf-8")


def test_restoring_says_what_is_missing_and_touches_nothing(workspace: Project) -> None:
    workspace.repro()
    run_id = only_run(workspace).info.run_id
    workspace.change({"generate.temperature": 0.3})
    assert workspace.repro() == ["generate", "evaluate", "report", "track"]
    before = (workspace.folder / "dvc.lock").read_bytes()
    lock = yaml.safe_load(workspace.run("git", "show", "HEAD:dvc.lock"))
    md5 = next(out["md5"] for out in lock["stages"]["generate"]["outs"] if "data" in out["path"])
    cached = workspace.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    member = json.loads(cached.read_text())[0]["md5"]
    lost = workspace.folder / ".dvc/cache/files/md5" / member[:2] / member[2:]
    lost.unlink()
    printed = workspace.run("soundloom", "restore", run_id, fails=True)
    assert printed.count("\n") == 1
    assert f"DVC's cache lacks data/generated ({md5})" in printed
    assert (workspace.folder / "dvc.lock").read_bytes() == before
    assert "0.3" in workspace.run("git", "diff", "params.yaml")

    printed = workspace.run("soundloom", "restore", run_id, "--rebuild")
    assert "`dvc repro` makes what DVC's cache lacks: data/generated" in printed
    assert "generate" in workspace.repro()
    assert lost.is_file()
    finished = [run for run in runs(workspace) if run.info.status == "FINISHED"]
    assert len(finished) == len(runs(workspace)) == 2
    printed = workspace.run("soundloom", "restore", "0" * 32, fails=True)
    assert printed.startswith(f"soundloom: error: run '{'0' * 32}' is not in sqlite:///")


def test_tiny_is_tiny() -> None:
    assert TINY["train.epochs"] == 2  # as the curves above have it
