"""MLflow's page, served on this machine with the flags that keep it light."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil

from soundloom.common.errors import SoundloomError
from soundloom.experiments.runs import RunStore

# A server that does not listen by then is in trouble, and says so itself.
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.1


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
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        # Not a line for every request, nor a traceback at the end: Ctrl+C reaches it twice.
        *("--uvicorn-opts", "--log-level critical"),
        *("--host", host, "--port", str(port)),
        *("--backend-store-uri", store.uri),
        # Named only so that the server does not remark that it is not.
        *("--registry-store-uri", store.uri),
        *("--default-artifact-root", (root / "mlartifacts").as_uri()),
    ]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }
    _tell_once_it_listens(host, port, f"MLflow: http://{host}:{port}/{place}  (Ctrl+C ends it)")
    # In this process's place: a process less, and signals reach MLflow, which ends its worker.
    os.execve(sys.executable, command, environment)


def _tell_once_it_listens(host: str, port: int, text: str) -> None:
    """Have ``text`` printed as soon as the server, which this process will be, takes connections.

    By a process that nobody has to wait for, where there is ``fork``; at once where there is none.
    """
    sys.stdout.flush()
    if not hasattr(os, "fork"):
        print(text, flush=True)
        return
    server = os.getpid()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The grandchild outlives the child and is init's to collect: the server would never do so.
        if os.fork() == 0 and _listens(host, port, server):
            print(text, flush=True)
    finally:
        os._exit(0)


def _listens(host: str, port: int, server: int) -> bool:
    """Wait until connections are taken; False when the server ended first or takes too long."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and psutil.pid_exists(server):
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return False
