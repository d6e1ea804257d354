"""Stages killed at random moments: `bench/kills.py`, one kill a stage instead of hundreds."""

from __future__ import annotations

import sys

from params import REPOSITORY
from projects import Project


def test_a_kill_of_every_stage_loses_and_changes_nothing(built_project: Project) -> None:
    # A process of its own: one that has used TensorFlow cannot fork.
    n_stages = len(built_project.stages())
    kills = [sys.executable, str(REPOSITORY / "bench" / "kills.py"), "--kills", str(n_stages)]
    printed = built_project.run(*kills, "--built", str(built_project.folder))
    *_, total = (line for line in printed.splitlines() if line.startswith("| all |"))
    assert total.split("|")[2].strip() == str(n_stages), printed
