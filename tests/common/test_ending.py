"""A process whose threads are at work ends as it should, and says what it has to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY, write_params

# Of soxr, whose C++ aborts where Python ends a thread within it.
WORK = """
import atexit, sys, threading
import numpy as np, soxr

silence, at_work = np.zeros(200_000, np.float32), threading.Event()

def work():
    while True:
        soxr.resample(silence, 22_050, 16_000)
        at_work.set()

def start():
    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    at_work.wait()
"""
KEPT = """
from soundloom.common.ending import exit_status_kept

with exit_status_kept():
    atexit.register(print, "registered later")
    start()
    print("ends", end=" ")
    {end}
"""
# As Ctrl+C comes to a stage, and to a command, while they work.
STAGE = """
import runpy
from soundloom.stages import split

def main():
    start()
    raise KeyboardInterrupt

split.main = main
sys.argv = ["stage.py", "split"]
runpy.run_path({script!r}, run_name="__main__")
"""
COMMAND = """
from soundloom.commands import check
from soundloom.commands.main import main

def run(_):
    start()
    raise KeyboardInterrupt

check.run = run
sys.argv = ["soundloom", "check"]
main()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORK + program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "status"),
    [("sys.exit(130)", 130), ("raise SystemExit", 0), ("pass", 0), ("sys.exit(1)", 1)],
)
def test_the_status_is_kept_though_threads_are_at_work(end: str, status: int) -> None:
    done = run(KEPT.format(end=end))
    assert (done.returncode, done.stdout, done.stderr) == (status, "ends registered later\n", "")


def test_what_is_no_status_is_left_to_python() -> None:
    done = run(KEPT.format(end="sys.exit('said')").replace("start()\n", "\n"))
    assert (done.returncode, done.stderr) == (1, "said\n")


@pytest.mark.parametrize(
    "program",
    [STAGE.format(script=str(REPOSITORY / "src/stage.py")), COMMAND],
    ids=["stage", "cmd"],
)
def test_ctrl_c_is_its_status_and_one_line_whatever_threads_are_at(
    project: Path, program: str
) -> None:
    write_params(project)
    done = run(program)
    assert done.stderr == "soundloom: interrupted; nothing half-written was kept\n"
    assert done.returncode == 130
