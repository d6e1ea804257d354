"""A stand-in for DVC, which shows experiments as it is told to and notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

# Each look shows the next state there is; the last stays.
_PROGRAM = """\
#!/bin/sh
case "$1 $2" in
"exp show")
    n=$(cat looks 2>/dev/null || echo 0)
    [ -f "shown.$((n + 1))" ] && echo $((n + 1)) > looks
    cat "shown.$n" ;;
*) echo "$@" >> calls ;;
esac
"""


class Dvc:
    """The program ``dvc`` in a folder that is to be the first of PATH, run in the folder above."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._project = folder.parent
        folder.mkdir()
        program = folder / "dvc"
        program.write_text(_PROGRAM, encoding="utf-8")
        program.chmod(0o755)

    def show(self, *looks: Mapping[str, str | None]) -> None:
        """Have it show these experiments of this commit, each look the next of ``looks``."""
        for number, states in enumerate(looks):
            experiments: list[dict[str, object]] = [
                {"name": name, "executor": {"state": state} if state else None, "revs": []}
                for name, state in states.items()
            ]
            commit = {"rev": "c0de", "name": "main", "experiments": experiments or None}
            shown = self._project / f"shown.{number}"
            shown.write_text(json.dumps([commit]), encoding="utf-8")

    def calls(self) -> list[str]:
        """What it was asked for beside looks, a line each."""
        calls = self._project / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
