"""MLflow's page, served on this machine with the flags that keep it light."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from soundloom.errors import SoundloomError
from soundloom.tracking import RunStore


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
    # Opened without this, the page would greet with its tools for language models.
    place = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    print(f"MLflow: http://{host}:{port}/{place}  (Ctrl+C ends it)")
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
