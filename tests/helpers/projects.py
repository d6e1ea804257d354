"""The project copied to a temporary folder, with its own git history, to run DVC in for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from params import REPOSITORY, write_params
from soundloom.common.params import flattened, read_params, with_keys

# A folder's name: what an address, a shell or a Makefile may take for something else.
ODD_NAME = "100%25 what? C#; it's $HOME & Música"


class Project:
    """A copy of the working tree, committed, without outputs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DVC")},
            # As `make` does: the environment's python and dvc first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org",
        }  # fmt: skip
        self.environment.pop("MLFLOW_TRACKING_URI", None)

    @classmethod
    def copy(cls, folder: Path, changes: Mapping[str, Any] | None = None) -> Project:
        """Copy what git tracks, or would, to ``folder``, with small params; commit."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY, capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        for name in filter(None, listed.split("\0")):
            made_by_the_pipeline = name == "dvc.lock" or name.startswith("metrics/")
            if (REPOSITORY / name).is_file() and not made_by_the_pipeline:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, folder / name)
        project = cls(folder)
        write_params(folder, changes)
        project.run("git", "init", "-q", "-b", "main")
        project.commit("tiny")
        return project

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the project; returns what it printed. It must fail when ``fails``."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def duplicate(self, folder: Path) -> Project:
        """Copy the project, DVC's cache and all, to a new ``folder``; MLflow's store stays behind.

        The store knows its artifacts by absolute paths: the copy begins one of its own.
        """
        leave = shutil.ignore_patterns("mlflow.db*", "mlartifacts", "tracked.json", "tmp")
        shutil.copytree(self.folder, folder, symlinks=True, ignore=leave)
        return Project(folder)

    def stages(self) -> list[str]:
        """Names of the pipeline's stages, as dvc.yaml lists them."""
        document = yaml.safe_load((self.folder / "dvc.yaml").read_text(encoding="utf-8"))
        return list(document["stages"])

    def restore(self) -> None:
        """Go back to the last commit, outputs too.

        The receipt of the variant left behind is no part of it: ``track`` looks for its run again.
        """
        self.run("git", "checkout", "-q", ".")
        assert set(self.repro()) <= {"track"}
        assert self.repro() == []

    def repro(self, *options: str) -> list[str]:
        """``dvc repro``; returns the stages that ran, not those restored from the run-cache."""
        printed = self.run("dvc", "repro", *options)
        return [
            line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")
        ]

    def commit(self, message: str) -> None:
        """Commit everything not ignored."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "-q", "-m", message)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change keys of params.yaml, given as ``section.key``."""
        path = self.folder / "params.yaml"
        document = read_params(path)
        assert changes.keys() <= flattened(document).keys()
        document = with_keys(document, changes)
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def locked_outs(self) -> dict[str, str]:
        """Hash of every output, from dvc.lock."""
        lock = yaml.safe_load((self.folder / "dvc.lock").read_text(encoding="utf-8"))
        return {out["path"]: out["md5"] for s in lock["stages"].values() for out in s["outs"]}


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Look twice a second; an error after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)
