"""A run in MLflow that grows while its model trains, and how it is recognised afterwards.

Its tags say what is tried, where, and by which process. While training goes on it is ``RUNNING``
without the digest of a history; it becomes ``FAILED`` when the training ends by an error, and
``KILLED`` once it is known to have died. When the training has ended well, it is ``RUNNING`` with
that digest, by which ``RunStore.record`` finds it and makes it the variant's; until then the rest
of the pipeline may fail or be left, and it is ``FAILED`` or ``KILLED`` with that digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from soundloom.experiments.variant import Description

# MLflow's page shows no tag that begins so.
HIDDEN = "mlflow.soundloom"
ATTEMPT_TAG = f"{HIDDEN}.attempt"
WORKSPACE_TAG = f"{HIDDEN}.workspace"
HISTORY_TAG = f"{HIDDEN}.history"
# What MLflow shows as the description of a run.
DESCRIPTION_TAG = "mlflow.note.content"
_PROCESS_TAG = f"{HIDDEN}.process"
# How often processor, memory, disk and network are measured while a model trains.
_SYSTEM_SECONDS = 5


class LiveRun:
    """A run that grows while its model trains."""

    def __init__(self, client: Any, run_id: str):
        """Start measuring the machine for the run ``run_id`` of MLflow's ``client``."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self.run_id = run_id
        self._client = client
        self._monitor = SystemMetricsMonitor(
            run_id, sampling_interval=_SYSTEM_SECONDS, tracking_uri=client.tracking_uri
        )
        self._monitor.start()

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history: ``epoch`` and the metrics of that epoch."""
        self._client.log_batch(self.run_id, metrics=epoch_metrics(row))

    def describe(self, text: str) -> None:
        """Say in Markdown where the training is; the variant's own description replaces it."""
        self._client.set_tag(self.run_id, DESCRIPTION_TAG, text)

    def log_take(self, file: str) -> None:
        """Add a file to listen to, under its name in ``listen/``."""
        self._client.log_artifact(self.run_id, file, "listen")

    def end(self, history: Sequence[Mapping[str, float]]) -> None:
        """Leave the run, trained to its end, for :meth:`RunStore.record` to complete."""
        self._monitor.finish()
        self._client.set_tag(self.run_id, HISTORY_TAG, history_digest(history))

    def end_early(self, status: str) -> None:
        """Mark the run as one whose training ``FAILED`` or was ``KILLED``."""
        self._monitor.finish()
        self._client.set_terminated(self.run_id, status=status)


def live_tags(description: Description) -> dict[str, str]:
    """Tags of a run that this process begins for a training in the working directory."""
    return {
        ATTEMPT_TAG: description.attempt,
        WORKSPACE_TAG: str(Path.cwd()),
        **writing_tags(),
    }


def writing_tags() -> dict[str, str]:
    """Tags of any run that this process writes, by which it is known if the process dies."""
    return {_PROCESS_TAG: _process_name(os.getpid())}


def is_orphaned(tags: Mapping[str, str]) -> bool:
    """Whether nobody writes to a run any more: its process is gone, and no training ended well."""
    host, pid, started = tags.get(_PROCESS_TAG, "- 0 0").rsplit(" ", 2)
    here = host == socket.gethostname()
    gone = _process_name(int(pid)) != f"{host} {pid} {started}"
    return here and gone and HISTORY_TAG not in tags


def history_digest(history: Sequence[Mapping[str, float]]) -> str:
    """sha256, the same for the rows sent live and for those read back from ``history.csv``."""
    rows = [{key: float(value) for key, value in row.items()} for row in history]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def epoch_metrics(row: Mapping[str, float]) -> list[Any]:
    """One row of a history as MLflow's metrics, ``epoch/loss``, at the step that is the epoch."""
    numbers = {key: value for key, value in row.items() if key != "epoch"}
    return [metric(f"epoch/{key}", value, int(row["epoch"])) for key, value in numbers.items()]


def metric(key: str, value: float, step: int = 0) -> Any:
    """One number as MLflow's metric."""
    from mlflow.entities import Metric

    return Metric(key, value, time.time_ns() // 1_000_000, step)


def _process_name(pid: int) -> str:
    """``host pid start``, which no other process shares, even when its number is used again."""
    started = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        # Where nobody waits for them, as in many containers, killed ones stay as zombies.
        if process.status() != psutil.STATUS_ZOMBIE:
            started = int(process.create_time())
    return f"{socket.gethostname()} {pid} {started}"
