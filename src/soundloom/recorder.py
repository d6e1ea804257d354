"""The process behind :mod:`soundloom.live`: rows on standard input → a run that grows in MLflow.

``python -m soundloom.recorder`` reads a JSON object a line: ``{"row": {"epoch": 1, …}}`` for each
epoch, ``{"done": true}`` after the last. Input that ends without the latter means that training was
killed. Trouble with the store is one line on standard error and never anybody's failure.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable

from soundloom.config import load_config
from soundloom.errors import first_line
from soundloom.tracking import RunStore, main_root
from soundloom.variant import describe


def record(lines: Iterable[str]) -> None:
    """Follow one training to its end."""
    store = RunStore(main_root(), load_config().track.experiment)
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
