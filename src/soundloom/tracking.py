"""MLflow, and nothing else here knows MLflow: one run for each variant, and the page to see them.

The store is ``mlflow.db`` and ``mlartifacts/`` in the main repository, also when a variant was made
in one of DVC's temporary workspaces; ``MLFLOW_TRACKING_URI`` names another.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn

from filelock import FileLock

from soundloom.errors import SoundloomError
from soundloom.variant import Variant

# Before MLflow is imported, which is when it reads them.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# It tells of every table it creates.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# By default it asks a server that does not answer for four minutes, while the pipeline waits.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

FINGERPRINT_TAG = "soundloom.fingerprint"
_MAX_NAME_LENGTH = 250


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
        found = self._runs(fingerprint, "= 'FINISHED'")
        return found[0] if found else None

    def record(self, variant: Variant) -> str:
        """Write a variant as one run, unless it has one; returns the run's id.

        One process of a machine writes at a time, so that two that came by the same variant do not
        each write it; what a process killed midway left behind is deleted.
        """
        with self._lock:
            if run_id := self.find(variant.fingerprint):
                return run_id
            for left_behind in self._runs(variant.fingerprint, "!= 'FINISHED'"):
                self.client.delete_run(left_behind)
            return self._write(variant)

    def _runs(self, fingerprint: str, status: str) -> list[str]:
        """Ids of a variant's runs whose status is as asked."""
        runs = self.client.search_runs(
            [self.experiment_id],
            f"tags.`{FINGERPRINT_TAG}` = '{fingerprint}' and attributes.status {status}",
        )
        return [run.info.run_id for run in runs]

    def _write(self, variant: Variant) -> str:
        run = self.client.create_run(
            self.experiment_id,
            run_name=variant.name[:_MAX_NAME_LENGTH],
            tags={**variant.tags, FINGERPRINT_TAG: variant.fingerprint},
        )
        run_id = run.info.run_id
        try:
            self._log_numbers(run_id, variant)
            for folder, file in variant.artifacts:
                self.client.log_artifact(run_id, str(file), folder or None)
        except BaseException:
            # A run without its end would be taken for the variant's; the next try begins anew.
            with suppress(Exception):  # What broke the run may break this, and is what to tell.
                self.client.delete_run(run_id)
            raise
        self.client.set_terminated(run_id)
        return run_id

    def _log_numbers(self, run_id: str, variant: Variant) -> None:
        from mlflow.entities import Metric, Param

        now_ms = time.time_ns() // 1_000_000
        metrics = [Metric(key, value, now_ms, 0) for key, value in variant.metrics.items()]
        metrics += [
            Metric(key, value, now_ms, int(row["epoch"]))
            for row in variant.history
            for key, value in row.items()
            if key != "epoch"
        ]
        params = [Param(key, value) for key, value in variant.params.items()]
        self.client.log_batch(run_id, metrics=metrics, params=params)


def serve_ui(root: Path, experiment: str, host: str, port: int) -> NoReturn:
    """Become MLflow's page until interrupted, with one worker and no job runners.

    Raises :class:`SoundloomError` when the port is taken, the store broken or on another server.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SoundloomError(
                f"port {port} on {host} cannot be used ({reason}); choose another with --port"
            ) from None
    store = RunStore(root, experiment)
    if store.uri.startswith("http"):
        raise SoundloomError(f"MLFLOW_TRACKING_URI is {store.uri}: that server has the page")
    print(f"MLflow: http://{host}:{port}/#/experiments/{store.experiment_id}  (Ctrl+C ends it)")
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        # Not a line for every request, nor a traceback at the end: Ctrl+C reaches it twice.
        *("--uvicorn-opts", "--log-level critical"),
        *("--host", host, "--port", str(port)),
        *("--backend-store-uri", store.uri),
        *("--default-artifact-root", (root / "mlartifacts").as_uri()),
    ]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }
    # In this process's place: a process less, and signals reach MLflow, which ends its worker.
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


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
