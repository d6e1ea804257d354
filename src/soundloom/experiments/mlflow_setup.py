"""How MLflow is set up: quiet, without telemetry, and never waited for long."""

from __future__ import annotations

import os

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # It logs every table it creates, and at length the errors that it raises as well.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # By default it retries for four minutes when a server does not answer; the pipeline would wait.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}


def set_up_mlflow() -> None:
    """Set MLflow's environment variables, except those the user has set.

    Call it before anything imports MLflow, which reads them as it is imported.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
