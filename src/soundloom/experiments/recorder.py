"""The process behind :mod:`soundloom.training.live`: rows on standard input, a run in MLflow.

``python -m soundloom.experiments.recorder`` reads a JSON object a line: ``{"epochs": 18,
"baselines": {…}}`` at first, ``{"row": {"epoch": 1, …}, "seconds_left": 60.0}`` for each epoch (the
latter not for those of a training that goes on), ``{"take": "epoch_06.wav"}`` for a file to listen
to, ``{"ended": "done"}`` or ``{"ended": "failed"}`` after the last. Input that ends without that
means that training was killed. When the store fails, one warning is printed and training goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from soundloom.common.errors import first_line, warn
from soundloom.common.signals import ignore_all
from soundloom.experiments.store import RunStore
from soundloom.experiments.summary import live_summary
from soundloom.experiments.variant import describe


def record(lines: Iterable[str]) -> None:
    """Follow one training to its end."""
    run = RunStore.of_project().start_live(describe())
    n_epochs, heard, ended = 0, False, "killed"
    baselines: dict[str, float] = {}
    history: list[dict[str, float]] = []

    def say(seconds_left: float | None = None) -> None:
        if history:
            said = live_summary(
                history[-1], n_epochs, baselines, seconds_left=seconds_left, heard=heard
            )
            run.describe(said)

    for line in lines:
        message = json.loads(line)
        if "epochs" in message:
            n_epochs, baselines = message["epochs"], message["baselines"]
        elif "row" in message:
            history.append(message["row"])
            run.log_epoch(history[-1])
            say(message.get("seconds_left"))
        elif "take" in message:
            run.log_take(message["take"])
            heard = True
        else:
            ended = message["ended"]
    say()
    if ended == "done":
        run.end(history)
    else:
        run.end_early(ended.upper())


def main() -> None:
    """Run until standard input ends, also when nothing can be recorded."""
    # Signals reach every process of a terminal or a group; this one ends when its input does.
    ignore_all()
    try:
        record(sys.stdin)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        warn(f"training is not shown live in MLflow ({first_line(error)})")
        for _ in sys.stdin:
            pass


if __name__ == "__main__":
    main()
