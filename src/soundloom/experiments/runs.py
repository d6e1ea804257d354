"""MLflow, and nothing but this and ``ui.py`` knows MLflow: one run for each variant.

The store is ``mlflow.db`` and ``mlartifacts/`` in the main repository, also when a variant was made
in one of DVC's temporary workspaces; ``MLFLOW_TRACKING_URI`` names another.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from soundloom.common.errors import SoundloomError
from soundloom.experiments.variant import Dataset, Description, Variant

# Before MLflow is imported, which is when it reads them.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# It tells of every table it creates, and at length of errors that it raises besides.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# By default it asks a server that does not answer for four minutes, while the pipeline waits.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

FINGERPRINT_TAG = "soundloom.fingerprint"
# Of a run begun by a training: what was tried, where, and, once it ended, the digest of its rows.
_ATTEMPT_TAG, _WORKSPACE_TAG = "soundloom.attempt", "soundloom.workspace"
_HISTORY_TAG, _PROCESS_TAG = "soundloom.history", "soundloom.process"
_MAX_NAME_LENGTH = 250
# How often a live run is told what processor, memory, disk and network do.
_SYSTEM_SECONDS = 5


def main_root() -> Path:
    """The main repository's root; DVC names it to stages, in temporary workspaces too."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


class RunStore:
    """An MLflow experiment: runs found by fingerprint, written whole."""

    def __init__(self, root: Path, experiment: str):
        """Open the store of the repository at ``root``, creating store and experiment at need.

        Raises :class:`SoundloomError` when its database cannot be opened or is none.
        """
        from mlflow import MlflowClient

        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
        local = self.uri.startswith("sqlite:")
        (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(root / ".dvc" / "tmp" / "mlflow.lock")
        # Processes that create one database at once would each run its migrations.
        with self._lock:
            if local:
                _check_database(self.uri)
            self.client = MlflowClient(self.uri)
            found = self.client.get_experiment_by_name(experiment)
            if found is not None:
                self.experiment_id = found.experiment_id
            else:
                # Absolute: MLflow's default lies beside whatever process happens to be first.
                location = (root / "mlartifacts").as_uri() if local else None
                self.experiment_id = self.client.create_experiment(experiment, location)

    def find(self, fingerprint: str) -> str | None:
        """Id of the finished run of a variant, or None."""
        found = self._runs({FINGERPRINT_TAG: fingerprint}, "= 'FINISHED'")
        return found[0] if found else None

    def start_live(self, description: Description) -> LiveRun:
        """Start a run for a training that begins in the working directory.

        Runs that earlier tries at the same left behind when they were killed are deleted.
        """
        with self._lock:
            self._delete(
                *self._runs({_WORKSPACE_TAG: str(Path.cwd())}, "!= 'FINISHED'"),
                *self._dead(description),
            )
            tags = {
                _ATTEMPT_TAG: description.attempt,
                _WORKSPACE_TAG: str(Path.cwd()),
                _PROCESS_TAG: _process_name(os.getpid()),
            }
            run_id = self._create(description, tags)
        return LiveRun(self.client, run_id)

    def record(self, variant: Variant) -> str:
        """Write a variant as one run, unless it has one; returns the run's id.

        The run of its training, if that was watched live, becomes the variant's. One process of a
        machine writes at a time, so that two that came by the same variant do not each write it;
        what a process killed midway left behind is deleted.
        """
        with self._lock:
            live = self._runs(
                {
                    _WORKSPACE_TAG: str(variant.workspace),
                    _HISTORY_TAG: _digest(variant.history),
                },
                "= 'RUNNING'",
            )
            found = self.find(variant.fingerprint)
            adopted = live.pop() if live and not found else None
            self._delete(
                *live,
                *self._dead(variant.description),
                *self._runs({FINGERPRINT_TAG: variant.fingerprint}, "!= 'FINISHED'"),
            )
            return found or self._write(variant, adopted)

    def name(self, run_id: str) -> str:
        """What a run is called, which may be after another experiment of the same variant."""
        return self.client.get_run(run_id).info.run_name

    def finished(self, params: Mapping[str, str]) -> FinishedRun | None:
        """The latest finished run with all of ``params``, or None."""
        runs = self.client.search_runs(
            [self.experiment_id], "attributes.status = 'FINISHED'", max_results=50_000
        )
        for run in runs:  # the latest first
            if params.items() <= run.data.params.items():
                return FinishedRun(run.info.run_id, run.data.metrics)
        return None

    def fetch(self, run_id: str, folder: Path) -> Mapping[str, str]:
        """Copy the files of a variant's run into ``folder``; returns the run's tags.

        Raises :class:`SoundloomError` when the store has no such run, or it is no variant's.
        """
        from mlflow.exceptions import MlflowException

        try:
            tags: Mapping[str, str] = self.client.get_run(run_id).data.tags
        except MlflowException:
            raise SoundloomError(f"run {run_id!r} is not in {self.uri}") from None
        if FINGERPRINT_TAG not in tags:
            raise SoundloomError(f"run {run_id!r} holds no finished variant")
        self.client.download_artifacts(run_id, "", str(folder))
        return tags

    def _dead(self, description: Description) -> list[str]:
        """Ids of the runs of trainings of the same that were killed."""
        attempt = {_ATTEMPT_TAG: description.attempt}
        running = self._runs(attempt, "= 'RUNNING'")
        return self._runs(attempt, "= 'KILLED'") + [
            run_id for run_id in running if self._is_orphan(self.client.get_run(run_id).data.tags)
        ]

    def _is_orphan(self, tags: Mapping[str, str]) -> bool:
        """Whether nobody will write on: it never ended, and its process is no longer there."""
        host, pid, started = tags.get(_PROCESS_TAG, "- 0 0").rsplit(" ", 2)
        here = host == socket.gethostname()
        gone = _process_name(int(pid)) != f"{host} {pid} {started}"
        return here and gone and _HISTORY_TAG not in tags

    def _delete(self, *run_ids: str) -> None:
        for run_id in set(run_ids):
            self.client.delete_run(run_id)

    def _runs(self, tags: Mapping[str, str], status: str) -> list[str]:
        """Ids of the runs that bear the tags and whose status is as asked."""
        conditions = [f"tags.`{name}` = '{_quotable(value)}'" for name, value in tags.items()]
        runs = self.client.search_runs(
            [self.experiment_id], " and ".join([*conditions, f"attributes.status {status}"])
        )
        return [run.info.run_id for run in runs]

    def _create(self, description: Description, tags: Mapping[str, str]) -> str:
        run = self.client.create_run(
            self.experiment_id,
            run_name=description.name[:_MAX_NAME_LENGTH],
            tags={
                **description.tags, **{name: _quotable(value) for name, value in tags.items()},
            },
        )  # fmt: skip
        run_id = run.info.run_id
        self.client.log_batch(
            run_id,
            params=[_entity("Param", key, value) for key, value in description.params.items()],
        )
        return run_id

    def _write(self, variant: Variant, adopted: str | None) -> str:
        """Write everything of a variant, into the run of its training where there is one."""
        run_id = adopted or self._create(variant.description, {})
        try:
            tags = {
                FINGERPRINT_TAG: variant.fingerprint,
                "data": variant.dataset.digest,
                **{f"stage.{name}": hash_[:12] for name, hash_ in variant.stages.items()},
            }
            metrics = [_metric(key, value, 0) for key, value in variant.metrics.items()]
            if not adopted:
                metrics += [metric for row in variant.history for metric in _epoch_metrics(row)]
            self.client.log_batch(
                run_id, metrics=metrics, tags=[_entity("RunTag", *tag) for tag in tags.items()]
            )
            self._log_dataset(run_id, variant.dataset)
            for folder, file in variant.artifacts:
                self.client.log_artifact(run_id, str(file), folder or None)
                if folder == "spectrograms":
                    self._log_image(run_id, file)
        except BaseException:
            # A run without its end would be taken for the variant's; the next try begins anew.
            with suppress(Exception):  # What broke the run may break this, and is what to tell.
                self.client.delete_run(run_id)
            raise
        self.client.set_terminated(run_id)
        return run_id

    def _log_dataset(self, run_id: str, dataset: Dataset) -> None:
        from mlflow.entities import Dataset as DatasetEntity
        from mlflow.entities import DatasetInput, InputTag

        entity = DatasetEntity(
            name=dataset.name, digest=dataset.digest, source_type="dvc", source="data/raw"
        )
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, [DatasetInput(entity, [context])])

    def _log_image(self, run_id: str, file: Path) -> None:
        """Log a picture under its name once more, for the grid that compares runs."""
        from PIL import Image

        with Image.open(file) as image:
            self.client.log_image(run_id, image.convert("RGB"), key=file.stem, step=0)


@dataclass(frozen=True)
class FinishedRun:
    """What the store holds of a variant."""

    run_id: str
    metrics: Mapping[str, float]
    """The last value of each."""


class LiveRun:
    """A run that grows while its model trains."""

    def __init__(self, client: Any, run_id: str):
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self.run_id = run_id
        self._client = client
        self._monitor = SystemMetricsMonitor(
            run_id, sampling_interval=_SYSTEM_SECONDS, tracking_uri=client.tracking_uri
        )
        self._monitor.start()

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history: ``epoch`` and the metrics of that epoch."""
        self._client.log_batch(self.run_id, metrics=_epoch_metrics(row))

    def end(self, history: Sequence[Mapping[str, float]] | None) -> None:
        """Leave the run for :meth:`RunStore.record` to adopt; None: training was killed."""
        self._monitor.finish()
        if history is None:
            self._client.set_terminated(self.run_id, status="KILLED")
        else:
            self._client.set_tag(self.run_id, _HISTORY_TAG, _digest(history))


def _epoch_metrics(row: Mapping[str, float]) -> list[Any]:
    step = int(row["epoch"])
    return [_metric(key, value, step) for key, value in row.items() if key != "epoch"]


def _metric(key: str, value: float, step: int) -> Any:
    return _entity("Metric", key, value, time.time_ns() // 1_000_000, step)


def _entity(kind: str, *values: Any) -> Any:
    """One of MLflow's entities; MLflow is imported when the first is made."""
    from mlflow import entities

    return getattr(entities, kind)(*values)


def _digest(history: Sequence[Mapping[str, float]]) -> str:
    """The same for the rows sent live and for those read back from ``history.csv``."""
    rows = [{key: float(value) for key, value in row.items()} for row in history]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _process_name(pid: int) -> str:
    """``host pid start``: what no other process is called, also once its number is used again."""
    try:
        started = int(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        started = 0
    return f"{socket.gethostname()} {pid} {started}"


def _quotable(value: str) -> str:
    """A tag as a search can name it: MLflow's filters know no escaping of quotes."""
    return value.replace("'", "_").replace('"', "_")


def _check_database(uri: str) -> None:
    """Open an SQLite database once: MLflow would try again and again for two minutes."""
    from sqlalchemy import make_url

    path = Path(make_url(uri).database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
    except (OSError, sqlite3.Error) as error:
        raise SoundloomError(f"{path}: cannot be used as MLflow's store: {error}") from None
