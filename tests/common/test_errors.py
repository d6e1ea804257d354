"""How a program ends: in one line, or without a word where nobody listens any more."""

from __future__ import annotations

import subprocess
import sys

_PRINTS_A_LOT = """
from soundloom.common.errors import run_or_exit
run_or_exit(lambda: [print("clip", number) for number in range(100_000)])
"""


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PRINTS_A_LOT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as printing:
        assert printing.stdout is not None
        assert printing.stderr is not None
        assert printing.stdout.readline() == "clip 0\n"
        printing.stdout.close()
        assert printing.stderr.read() == ""
        assert printing.wait(timeout=60) == 0
