"""Stages killed at random moments and run again: what is left in between, and what comes out.

A stage runs in a fork of this process, which has imported what all of them need and started none of
it, in a copy of a built project; the fork is killed just before it would open, rename or remove a
file of the project's, or after a share of the time that it takes. DVC's part is played here: the
outputs are removed before a stage runs. :func:`kill_under_dvc` has DVC play it.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from params import REPOSITORY
from projects import Project, wait_for

CHANGES_OF_FILES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "open")
# Of librosa, which imports most of itself, and Numba, then.
_WHEN_FIRST_USED = (
    "librosa.core.spectrum", "librosa.feature.spectral", "librosa.filters", "librosa.onset",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Life:
    """What is known of a stage: how long it lives, and how it was killed."""

    n_changes: int = 0
    """Changes of files in a run to its end; 0 before the first."""
    seconds: float = 0.0
    spent: float = 0.0
    """What killing it has taken, in seconds."""
    kills: dict[str, int] = field(default_factory=lambda: {"file": 0, "time": 0, "dvc": 0})
    faults: list[str] = field(default_factory=list)


class Kills:
    """Kills stages of a built project, runs them again, and keeps account."""

    def __init__(self, project: Project, seed: int):
        """Of a ``project`` whose outputs are up to date, and which the kills may change."""
        self._project = project
        self._random = random.Random(seed)
        self._outs = outs_by_stage(project)
        self._wanted = {
            path: digest(project.folder / path) for outs in self._outs.values() for path in outs
        }
        """None for what the project lacks, as the receipt of ``track``, until it is made once."""
        self.lives = {stage: Life() for stage in self._outs}
        self._main = _imported_stage_script(self._outs)
        self._note, self._log = (project.folder.with_name(name) for name in ("changes", "log"))

    def order(self, n: int) -> Iterator[str]:
        """``n`` stages: half of them in turn, the others as long as they are the cheapest."""
        for number, stage in zip(range(n), itertools.cycle(self.lives), strict=False):
            if number < max(len(self.lives), n // 2):
                yield stage
            else:
                yield min(self.lives, key=lambda name: self.lives[name].spent)

    def kill(self, stage: str) -> None:
        """Kill a stage once, look at what it left, run it again, look at what it made."""
        life, started = self.lives[stage], time.monotonic()
        while not self._is_killed(stage, how := self._random.choice(["file", "time"])):
            self._check(stage, "a run that was not killed", may_be_absent=False)
        life.kills[how] += 1
        self._check(stage, f"killed by {how}", may_be_absent=True)
        self._finish(stage)
        life.spent += time.monotonic() - started

    def kill_under_dvc(self, stage: str) -> None:
        """Kill DVC and all its processes while it runs a stage; then have it put all in order."""
        while not self._is_killed_under_dvc(stage):
            self._check(stage, "repro", may_be_absent=False)
        self.lives[stage].kills["dvc"] += 1
        self._check(stage, "killed under DVC", may_be_absent=True)
        self._project.run("dvc", "repro", "--quiet")
        self._check(stage, "repro after a kill under DVC", may_be_absent=False)

    def check_runs(self, after: str) -> None:
        """Whether MLflow holds one finished run and none that seems to go on, after ``track``."""
        if after != "track":
            self._finish("track")
        # Not through MLflow: what it has open must not be met in forks.
        database = f"file:{self._project.folder / 'mlflow.db'}?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as store:
            found = store.execute("SELECT status FROM runs WHERE lifecycle_stage = 'active'")
            statuses = [status for (status,) in found]
        if statuses.count("FINISHED") != 1 or "RUNNING" in statuses:
            self.lives["track"].faults.append(f"MLflow's runs are {sorted(statuses)}")

    def table(self) -> str:
        """What was done, as Markdown: a row a stage."""
        lines = [
            "| stage | kills | at a change of files | at a moment | under `dvc repro` | failures |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        rows = [
            (sum(life.kills.values()), *life.kills.values(), len(life.faults))
            for life in self.lives.values()
        ]
        rows.append(tuple(map(sum, zip(*rows, strict=True))))
        for name, row in zip([*self.lives, "all"], rows, strict=True):
            lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
        return "\n".join(lines)

    def faults(self) -> list[str]:
        """Everything that went wrong."""
        return [fault for life in self.lives.values() for fault in life.faults]

    def _is_killed(self, stage: str, how: str) -> bool:
        """Run a stage and kill it; returns False when it came to its end before."""
        life = self.lives[stage]
        self._remove_outputs(stage)
        if how == "file":
            process = self._start(stage, self._random.randint(1, life.n_changes or 15))
        else:
            process = self._start(stage)
            waited = self._random.uniform(0.0, life.seconds or 4.0)
            time.sleep(waited)
            # Of a stage alone, and with the processes it started, as power does.
            os.kill(self._random.choice([process, -process]), signal.SIGKILL)
        status = self._wait(process)
        if status == 0 and how == "time":
            life.seconds = waited  # it takes no longer
        elif status == 0:
            life.n_changes = int(self._note.read_text())  # it makes no more
        return status == -signal.SIGKILL

    def _is_killed_under_dvc(self, stage: str) -> bool:
        command = ("dvc", "repro", "--quiet", "--force", "--single-item", stage)
        with subprocess.Popen(
            command, cwd=self._project.folder, env=self._project.environment,
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as dvc:  # fmt: skip
            time.sleep(self._random.uniform(0.0, 3.0 + self.lives[stage].seconds))
            os.killpg(dvc.pid, signal.SIGKILL)
        _end_group(dvc.pid)
        return dvc.returncode == -signal.SIGKILL

    def _finish(self, stage: str) -> None:
        """Run a stage to its end."""
        life = self.lives[stage]
        self._remove_outputs(stage)
        started = time.monotonic()
        self._wait(self._start(stage))
        life.seconds = max(life.seconds, time.monotonic() - started)
        life.n_changes = max(life.n_changes, int(self._note.read_text()))
        self._check(stage, "run again", may_be_absent=False)

    def _start(self, stage: str, kill_at_change: int = 0) -> int:
        """Fork; returns the child's process id, which is its group's."""
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            with suppress(OSError):  # whoever of the two comes first
                os.setpgid(child, child)
            return child
        status = 1
        try:
            os.setpgid(0, 0)
            self._enter()
            counted = _count_changes(self._project.folder, kill_at_change)
            sys.argv = ["stage.py", stage]
            try:
                self._main()
                status = 0
            except SystemExit as ending:
                status = int(ending.code or 0)
            self._note.write_text(str(counted()))
        finally:
            os._exit(status)

    def _enter(self) -> None:
        """Make this process one that runs in the project."""
        os.chdir(self._project.folder)
        for name in ("DVC_ROOT", "DVC_STAGE", "MLFLOW_TRACKING_URI"):
            os.environ.pop(name, None)
        log = os.open(self._log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)

    def _wait(self, process: int) -> int:
        """Wait for a stage and what it started; returns 0, or -9 when it was killed."""
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status not in (0, -signal.SIGKILL):
            raise RuntimeError(f"a stage ended with {status}: {self._log.read_text()[-2000:]}")
        _end_group(process)
        return status

    def _remove_outputs(self, stage: str) -> None:
        for path in self._outs[stage]:
            place = self._project.folder / path
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def _check(self, stage: str, when: str, *, may_be_absent: bool) -> None:
        faults = self.lives[stage].faults
        for path in self._outs[stage]:
            found = digest(self._project.folder / path)
            self._wanted[path] = self._wanted[path] or found
            if found != self._wanted[path] and not (may_be_absent and found is None):
                faults.append(f"{stage}, {when}: {path} is not what it should be")
        if not may_be_absent:
            for folder in ("data", "models", "metrics", "reports"):
                for left in (self._project.folder / folder).glob(".*.part"):
                    faults.append(f"{stage}, {when}: {left.name} was left")


def outs_by_stage(project: Project) -> dict[str, list[str]]:
    """Paths of every stage's outputs."""
    from soundloom.common.params import read_params

    stages = read_params(project.folder / "dvc.yaml")["stages"]
    return {
        name: [
            out if isinstance(out, str) else next(iter(out))
            for kind in ("outs", "plots", "metrics")
            for out in stage.get(kind, [])
        ]
        for name, stage in stages.items()
    }


def digest(path: Path) -> str | None:
    """sha256 of a file, or of a folder's files and their names; None where there is neither."""
    if not path.exists():
        return None
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(f"{file.relative_to(path.parent)}\n".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _imported_stage_script(stages: Iterable[str]) -> Callable[[], None]:
    """``main`` of src/stage.py, once all that stages import is imported."""
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
    from soundloom.experiments.mlflow_setup import set_up_mlflow

    set_up_mlflow()
    sys.path.insert(0, str(REPOSITORY / "src"))
    import keras  # noqa: F401
    import mlflow  # noqa: F401

    import stage
    from soundloom.evaluation import pretrained  # noqa: F401
    from soundloom.models import files, registry  # noqa: F401
    from soundloom.training import fit, listen  # noqa: F401

    for name in stages:
        importlib.import_module(f"soundloom.stages.{name}")
    for name in _WHEN_FIRST_USED:
        importlib.import_module(name)
    return stage.main


def _count_changes(folder: Path, kill_at: int) -> Callable[[], int]:
    """Count changes of files in ``folder``; kill this process before the one with that number."""
    count = 0

    def notice(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in CHANGES_OF_FILES or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not int(arguments[2] or 0) & _WRITING:
            return
        if (folder / os.fspath(arguments[0])).is_relative_to(folder):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(notice)
    return lambda: count


def _end_group(group: int) -> None:
    """Wait for a training's recorder, which outlives it for a while; end what else is left.

    Workers of joblib wait for minutes for one that was killed.
    """

    def recorded() -> bool:
        return not any("soundloom.experiments.recorder" in p.cmdline() for p in members(group))

    wait_for(recorded, 240)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def members(group: int) -> list[psutil.Process]:
    """Living processes of a group."""
    found = []
    for process in psutil.process_iter(["status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and _group_of(process.pid) == group:
            found.append(process)
    return found


def _group_of(process: int) -> int:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0
