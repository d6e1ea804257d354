"""Back to a run: code that no commit held, and what DVC's cache lacks."""

from __future__ import annotations

import json

import yaml

from projects import Project
from tracked import only_run, read, runs


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
