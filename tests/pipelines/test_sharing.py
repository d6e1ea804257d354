"""Experiments and the model, handed to a colleague: git's remote, DVC's remote, a clone."""

from __future__ import annotations

from pathlib import Path

from projects import Project

SAMPLE = "data/generated/samples/sample_00.wav"


def test_an_experiment_and_the_model_reach_a_clone(workspace: Project, tmp_path: Path) -> None:
    hub, storage = tmp_path / "hub.git", tmp_path / "storage"
    workspace.run("dvc", "remote", "add", "--default", "storage", str(storage))
    workspace.commit("a place for outputs")
    workspace.run("git", "tag", "-a", "generator@v1.0.0", "-m", "the first")
    workspace.run("git", "init", "-q", "--bare", "-b", "main", str(hub))
    workspace.run("git", "remote", "add", "origin", str(hub))
    workspace.run("git", "push", "-q", "origin", "main", "generator@v1.0.0")
    # What `track` leaves behind, and copies of the project lack: DVC saves no experiment without.
    (workspace.folder / "reports/tracked.json").write_text("{}", encoding="utf-8")
    workspace.change({"generate.temperature": 0.5})
    workspace.run("dvc", "exp", "save", "--name", "cooler")
    workspace.run("dvc", "exp", "push", "origin", "cooler")

    workspace.run("git", "clone", "-q", str(hub), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    assert not (clone.folder / SAMPLE).exists()
    clone.run("dvc", "exp", "pull", "origin", "cooler")
    clone.run("dvc", "exp", "apply", "cooler")
    assert "temperature: 0.5" in (clone.folder / "params.yaml").read_text(encoding="utf-8")
    assert (clone.folder / SAMPLE).read_bytes() == (workspace.folder / SAMPLE).read_bytes()

    got = tmp_path / "got"
    workspace.run("dvc", "artifacts", "get", str(hub), "generator", "--out", str(got))
    names = {file.name for file in got.iterdir()}
    assert names == {file.name for file in (workspace.folder / "models/generator").iterdir()}
    assert "network.weights.h5" in names
