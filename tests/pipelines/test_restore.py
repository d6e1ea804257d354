"""Variants brought back from their runs, also where code was not committed or outputs are lost."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
import yaml

from params import small_config
from projects import Project
from soundloom.commands.main import main
from soundloom.common.params import read_params
from tracked import curve, give_store, only_run, read, runs


def test_edited_code_runs_in_a_temporary_workspace_and_can_be_brought_back(
    workspace: Project,
) -> None:
    module = workspace.folder / "src/soundloom/explore/look.py"
    edited = module.read_text(encoding="utf-8").replace(": peak_dbfs(", ": 1000.0 + peak_dbfs(")
    module.write_text(edited, encoding="utf-8")
    workspace.run("dvc", "exp", "run", "--temp", "--name", "louder")
    run = only_run(workspace)
    assert run.data.metrics["explore/clip_00/peak_dbfs"] > 900
    assert run.info.run_name == "louder"
    assert run.data.tags["git.dirty"] == "true"
    assert read(workspace, run, "code/src/soundloom/explore/look.py") == edited

    # Later, elsewhere in the history, with other work under way.
    workspace.run("git", "checkout", "-q", ".")
    (workspace.folder / "README.md").write_text("Later.\n", encoding="utf-8")
    workspace.run("git", "commit", "-q", "-a", "-m", "later")
    workspace.change({"train.epochs": 9})
    printed = workspace.run("soundloom", "restore", run.info.run_id)
    assert "git stash pop" in printed
    assert module.read_text(encoding="utf-8") == edited
    assert workspace.run("git", "rev-parse", "HEAD").strip() == run.data.tags["git.commit"]
    numbers = json.loads((workspace.folder / "metrics/explore.json").read_text())
    assert numbers["clip_00"]["peak_dbfs"] > 900
    assert workspace.repro() == ["track"]
    assert only_run(workspace).info.run_id == run.info.run_id
    workspace.run("git", "checkout", "-q", ".")
    workspace.run("git", "checkout", "-q", "main")
    workspace.run("git", "stash", "pop", "-q")
    assert "epochs: 9" in (workspace.folder / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def two_variants(built_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace with a store of two variants: the commit's, and one explored differently."""
    workspace = built_project.duplicate(tmp_path_factory.mktemp("two") / "project")
    give_store(workspace.folder)
    assert workspace.repro() == ["track"]
    workspace.change({"explore.rolloff_fraction": 0.3})
    assert workspace.repro() == ["explore", "report", "track"]
    return workspace


def of_rolloff(workspace: Project, fraction: str) -> Any:
    """The run of one of them."""
    (run,) = [
        run for run in runs(workspace) if run.data.params["explore.rolloff_fraction"] == fraction
    ]
    return run


def test_back_to_a_variant_is_back_to_its_run(two_variants: Project) -> None:
    workspace = two_variants
    first, second = (of_rolloff(workspace, fraction) for fraction in ("0.85", "0.3"))
    assert re.search(r"explore.rolloff_fraction +0.85 +0.3", workspace.run("dvc", "params", "diff"))
    assert re.search(r"metrics/explore.json +clip_00", workspace.run("dvc", "metrics", "diff"))
    workspace.run("dvc", "plots", "diff", "--out", "plots")
    page = (workspace.folder / "plots/index.html").read_text(encoding="utf-8")
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page
    shutil.rmtree(workspace.folder / "plots")
    workspace.change({"explore.rolloff_fraction": 0.85})
    assert workspace.repro() == ["track"]
    assert {run.info.run_id for run in runs(workspace)} == {first.info.run_id, second.info.run_id}
    # Neither trained in this store's lifetime: both have all of the curve.
    n_epochs = small_config().train.epochs
    for run in (first, second):
        assert curve(workspace, run) == list(range(1, n_epochs + 1))
        assert run.data.metrics["train/epochs"] == n_epochs
        assert "epoch/learning_rate" in run.data.metrics
    assert second.info.run_name == "rolloff_fraction 0.3"
    assert (
        first.data.tags["mlflow.soundloom.stage.train"]
        == second.data.tags["mlflow.soundloom.stage.train"]
    )
    assert (
        first.data.tags["mlflow.soundloom.stage.explore"]
        != second.data.tags["mlflow.soundloom.stage.explore"]
    )


def test_restoring_says_what_is_missing_and_touches_nothing(
    two_variants: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = two_variants
    here = read_params(workspace.folder / "params.yaml")["explore"]["rolloff_fraction"]
    other = of_rolloff(workspace, "0.3" if here == 0.85 else "0.85")
    outs = yaml.safe_load(read(workspace, other, "dvc.lock"))["stages"]["explore"]["outs"]
    md5 = {out["path"]: out["md5"] for out in outs}["reports/explore"]
    cached = workspace.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    member = json.loads(cached.read_text())[0]["md5"]
    lost = workspace.folder / ".dvc/cache/files/md5" / member[:2] / member[2:]
    lost.unlink()
    files = [workspace.folder / name for name in ("dvc.lock", "params.yaml")]
    before = [file.read_bytes() for file in files]
    printed = workspace.run("soundloom", "restore", other.info.run_id, fails=True)
    assert printed.count("\n") == 1
    assert f"DVC's cache lacks reports/explore ({md5})" in printed
    assert [file.read_bytes() for file in files] == before

    printed = workspace.run("soundloom", "restore", other.info.run_id, "--rebuild")
    assert "`dvc repro` makes what DVC's cache lacks: reports/explore" in printed
    assert "explore" in workspace.repro()
    assert lost.is_file()
    finished = [run for run in runs(workspace) if run.info.status == "FINISHED"]
    assert len(finished) == len(runs(workspace)) == 2

    monkeypatch.chdir(workspace.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SystemExit):
        main(["restore", "0" * 32])
    printed, store = capsys.readouterr().err, workspace.folder / "mlflow.db"
    assert printed.startswith(f"soundloom: error: run '{'0' * 32}' is not in {store}: ")
