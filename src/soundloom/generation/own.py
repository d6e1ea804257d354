"""The model that continues a recording where no other is named."""

from __future__ import annotations

from pathlib import Path

from soundloom.common.paths import BASE_FOLDER, GENERATOR_FOLDER


def own_model() -> Path:
    """The folder of the project's own model; before any training, of the base."""
    trained = GENERATOR_FOLDER.exists() or not BASE_FOLDER.exists()
    return GENERATOR_FOLDER if trained else BASE_FOLDER


def why_not_own() -> str:
    """What to say where :func:`own_model` was not trained here; "" where it was."""
    if GENERATOR_FOLDER.exists():
        return ""
    instead = f"{BASE_FOLDER.as_posix()} is used" if BASE_FOLDER.exists() else "none can be used"
    return f"no model has been trained here yet, so {instead}: `make repro` trains one"
