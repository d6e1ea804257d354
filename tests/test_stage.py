"""The script that runs a stage: how it ends."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY, write_params

OUTPUT = b'{"n_clips": 3}\n'
# As if Ctrl+C had been pressed, or a signal sent, while modules are still imported.
_INTERRUPTED_EARLY = """
import runpy, signal, sys

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == INTERRUPTED and self in sys.meta_path:
            sys.meta_path.remove(self)
            signal.raise_signal(getattr(signal, SIGNAL))

sys.meta_path.insert(0, Interruption())
script, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture
def ran_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose ``split`` has put out a file once; DVC, which has removed it, runs it."""
    write_params(project)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, check=True)
    (project / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  download: {cmd: python}\n  split:\n    cmd: python\n"
        "    outs:\n    - path: metrics/split.json\n"
        f"      md5: {hashlib.md5(OUTPUT).hexdigest()}\n      size: {len(OUTPUT)}\n"
    )
    kept = project / ".dvc/cache/files/md5" / hashlib.md5(OUTPUT).hexdigest()[:2]
    kept.mkdir(parents=True)
    (kept / hashlib.md5(OUTPUT).hexdigest()[2:]).write_bytes(OUTPUT)
    (project / "metrics").mkdir()
    monkeypatch.setenv("DVC_STAGE", "split")
    return project


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("soundloom.common.signals", "SIGINT"),
        ("soundloom.common.ending", "SIGTERM"),
        ("soundloom.common.errors", "SIGINT"),
        ("argparse", "SIGTERM"),
        ("soundloom.config", "SIGINT"),
        ("numpy.exceptions", "SIGINT"),
    ],
)
def test_a_signal_while_modules_are_imported_is_one_line(
    ran_once: Path, name: str, sign: str
) -> None:
    """From the first of them on; also within NumPy, which cannot be imported after that."""
    program = f"INTERRUPTED, SIGNAL = {name!r}, {sign!r}\n{_INTERRUPTED_EARLY}"
    command = [sys.executable, "-c", program, str(REPOSITORY / "src/stage.py"), "split"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "soundloom: interrupted; nothing half-written was kept\n"
    assert done.returncode == 130
    assert (ran_once / "metrics/split.json").read_bytes() == OUTPUT


def test_a_command_line_that_is_none_costs_no_output_either(ran_once: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "src/stage.py"), "split", "--fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "unrecognized arguments: --fast" in done.stderr
    assert done.returncode == 2
    assert (ran_once / "metrics/split.json").read_bytes() == OUTPUT


def test_a_backend_that_is_not_there_stops_every_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(project)
    monkeypatch.setenv("KERAS_BACKEND", "foo")
    for stage in ("download", "report"):
        command = [sys.executable, str(REPOSITORY / "src/stage.py"), stage]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("soundloom: error: KERAS_BACKEND is 'foo'; it must be ")
        assert done.stderr.count("\n") == 1
    assert [entry.name for entry in project.iterdir()] == ["params.yaml"]


def test_a_prompt_that_is_not_there_stops_the_pipeline_before_any_work(project: Path) -> None:
    write_params(project, {"generate.prompt": "nope.wav"})
    command = [sys.executable, str(REPOSITORY / "src/stage.py"), "download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "soundloom: error: generate.prompt is 'nope.wav': no such file\n"
    assert [entry.name for entry in project.iterdir()] == ["params.yaml"]
