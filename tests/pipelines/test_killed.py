"""Stages killed at random moments: `bench/kills.py`, for eight kills instead of hundreds."""

from __future__ import annotations

import sys

from params import REPOSITORY
from projects import Project


def test_eight_kills_lose_and_change_nothing(built_project: Project) -> None:
    # A process of its own: one that has used TensorFlow cannot fork.
    kills = [sys.executable, str(REPOSITORY / "bench" / "kills.py"), "--kills", "8"]
    printed = built_project.run(*kills, "--built", str(built_project.folder))
    *_, total = (line for line in printed.splitlines() if line.startswith("| all |"))
    assert total.split("|")[2].strip() == "8", printed
