"""The process behind :mod:`soundloom.training.live`: rows on standard input, a run in MLflow.

``python -m soundloom.experiments.recorder`` reads a JSON object a line: ``{"row": {"epoch": 1,
…}}`` for each epoch, ``{"ended": "done"}`` or ``{"ended": "failed"}`` after the last. Input that
ends without the latter means that training was killed. When the store fails, one warning is printed
and training goes on.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable

from soundloom.common.errors import ENDING, first_line, warn
from soundloom.common.paths import main_root
from soundloom.experiments.config import TrackConfig
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import describe


def record(lines: Iterable[str]) -> None:
    """Follow one training to its end."""
    run = RunStore(main_root(), TrackConfig.load().experiment).start_live(describe())
    history, ended = [], "killed"
    for line in lines:
        message = json.loads(line)
        if "row" in message:
            history.append(message["row"])
            run.log_epoch(history[-1])
        else:
            ended = message["ended"]
    if ended == "done":
        run.end(history)
    else:
        run.end_early(ended.upper())


def main() -> None:
    """Run until standard input ends, also when nothing can be recorded."""
    # Signals reach every process of a terminal or a group; this one ends when its input does.
    for sign in (signal.SIGINT, *ENDING):
        signal.signal(sign, signal.SIG_IGN)
    try:
        record(sys.stdin)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        warn(f"training is not shown live in MLflow ({first_line(error)})")
        for _ in sys.stdin:
            pass


if __name__ == "__main__":
    main()
