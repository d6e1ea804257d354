"""Report training while it runs: each epoch, as it ends, goes to a process that logs it in MLflow.

A process of its own, so that training neither waits for MLflow nor fails with it, and so that
editing the code that knows MLflow does not re-run training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SOURCE = Path(__file__).resolve().parents[2]
# How long the end of training waits for the last rows to be written.
_PATIENCE_SECONDS = 30


class LiveReport:
    """A context that sends what comes of a training to ``soundloom.experiments.recorder``.

    It never raises. Leaving the context by an error leaves a run that is marked as failed; being
    interrupted or killed in it, one that is marked as killed.
    """

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(_SOURCE)}
        self._recorder = subprocess.Popen(
            [sys.executable, "-m", "soundloom.experiments.recorder"],
            stdin=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        return self

    def begin(
        self,
        n_epochs: int,
        baselines: Mapping[str, float],
        before: Iterable[Mapping[str, float]] = (),
    ) -> None:
        """Say how long it is to be, what those lose who learn nothing, and the epochs ``before``.

        Time is measured from here on.
        """
        self._send({"epochs": n_epochs, "baselines": dict(baselines)})
        self._n_epochs, self._n_before = n_epochs, 0
        for row in before:
            self._send({"row": dict(row)})
            self._n_before += 1
        self._began = time.monotonic()

    def epoch(self, row: Mapping[str, float]) -> None:
        """Send one row of the history: ``epoch`` and the metrics of that epoch."""
        n_now = row["epoch"] - self._n_before
        an_epoch = (time.monotonic() - self._began) / n_now
        left = an_epoch * (self._n_epochs - row["epoch"])
        self._send({"row": dict(row), "seconds_left": left})

    def take(self, file: Path) -> None:
        """Send where a file to listen to lies; it is to stay until the context is left."""
        self._send({"take": str(file)})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._send({"ended": "done"})
        elif issubclass(kind, Exception):
            self._send({"ended": "failed"})
        try:
            self._recorder.communicate(timeout=_PATIENCE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self._recorder.kill()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._recorder.stdin is not None
        try:
            self._recorder.stdin.write(json.dumps(message) + "\n")
            self._recorder.stdin.flush()
        except OSError:  # the recorder has ended, with a warning of its own
            pass
