"""Keras as the stages start it, each time in a fresh process, and the script that runs a stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY

SOURCE = REPOSITORY / "src"
START = """
import os, sys
from soundloom.common.keras_setup import start_keras
assert "keras" not in sys.modules
start_keras(seed=5, threads=3)
import keras
first = keras.random.normal((4,)).numpy().tolist()
start_keras(seed=5, threads=3)
assert keras.random.normal((4,)).numpy().tolist() == first
start_keras(seed=6, threads=3)
assert keras.random.normal((4,)).numpy().tolist() != first
print(keras.backend.backend())
print(os.environ["TF_NUM_INTRAOP_THREADS"], os.environ["TF_NUM_INTEROP_THREADS"])
"""


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    unset = ("KERAS_BACKEND", "SOUNDLOOM_DEBUG", "TF_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    return subprocess.run(
        [sys.executable, *command],
        env={**kept, "PYTHONPATH": str(SOURCE)},
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_keras_starts_quietly_with_the_threads_and_seed_asked_for() -> None:
    done = run("-c", START)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "tensorflow\n3 3\n"


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    done = run(str(SOURCE / "stage.py"), "trian")
    assert done.returncode == 2
    for stage in ("download", "explore", "spectrogram", "pairs", "train", "generate", "report"):
        assert f"'{stage}'" in done.stderr
    assert "__init__" not in done.stderr


def test_a_stages_error_is_one_line_unless_debugging(tmp_path: Path) -> None:
    done = run(str(SOURCE / "stage.py"), "explore", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("soundloom: error: params.yaml: ")
    assert done.stderr.count("\n") == 1
    done = run(str(SOURCE / "stage.py"), "explore", "--debug", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
