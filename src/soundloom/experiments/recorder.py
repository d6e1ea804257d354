"""The process behind :mod:`soundloom.training.live`: rows on standard input → a run that grows in MLflow.

``python -m soundloom.experiments.recorder`` reads a JSON object a line: ``{"row": {"epoch": 1, …}}`` for each
epoch, ``{"done": true}`` after the last. Input that ends without the latter means that training was
killed. Trouble with the store is one line on standard error and never anybody's failure.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable

from soundloom.common.errors import first_line
from soundloom.experiments.config import TrackConfig
from soundloom.experiments.runs import RunStore, main_root
from soundloom.experiments.variant import describe


def record(lines: Iterable[str]) -> None:
    """Follow one training to its end."""
    store = RunStore(main_root(), TrackConfig.load().experiment)
    run = store.start_live(describe())
    done, rows = False, []
    for line in lines:
        message = json.loads(line)
        if message.get("done"):
            done = True
        else:
            rows.append(message["row"])
            run.log_epoch(rows[-1])
    run.end(rows if done else None)


def main() -> None:
    """Run until standard input ends; what cannot be recorded is read all the same."""
    # Ctrl+C reaches every process of the terminal; here the end of the input tells of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        record(sys.stdin)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        print(
            f"soundloom: warning: training is not shown live in MLflow ({first_line(error)})",
            file=sys.stderr,
        )
        for _ in sys.stdin:
            pass


if __name__ == "__main__":
    main()
