"""The script that runs a stage: how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY, write_params

# As if Ctrl+C had been pressed while modules are still imported.
_INTERRUPTED_EARLY = """
import runpy, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == INTERRUPTED and self in sys.meta_path:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
script, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.parametrize("name", ["soundloom.config", "numpy.exceptions"])
def test_ctrl_c_while_modules_are_imported_is_one_line(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also within NumPy, which cannot be imported after that; outputs come back nevertheless."""
    write_params(project)
    monkeypatch.setenv("DVC_STAGE", "split")
    program = f"INTERRUPTED = {name!r}\n{_INTERRUPTED_EARLY}"
    command = [sys.executable, "-c", program, str(REPOSITORY / "src/stage.py"), "split"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "soundloom: interrupted; nothing half-written was kept\n"
    assert done.returncode == 130


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
