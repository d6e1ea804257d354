"""Where every input and output of the pipeline lies, relative to the project's root."""

from __future__ import annotations

import os
from pathlib import Path

PARAMS_FILE, PIPELINE_FILE = Path("params.yaml"), Path("dvc.yaml")

RAW_FOLDER = Path("data/raw")
MANIFEST_FILE = RAW_FOLDER / "manifest.json"
SPLIT_FILE = Path("data/split.json")
FRAMES_FOLDER = Path("data/spectrogram")
PAIRS_FOLDER = Path("data/pairs")
GENERATOR_FOLDER = Path("models/generator")
BASE_FOLDER = Path("models/base")
GENERATED_FOLDER = Path("data/generated")
REFERENCE_FOLDER = Path("data/reference")
EVALUATED_FOLDER = Path("data/evaluated")

METRICS_FOLDER = Path("metrics")
HISTORY_FILE = METRICS_FOLDER / "history.csv"

REPORTS_FOLDER = Path("reports")
EXPLORE_FOLDER, SPECTROGRAM_FOLDER = REPORTS_FOLDER / "explore", REPORTS_FOLDER / "spectrogram"
LISTEN_FILE = REPORTS_FOLDER / "listen.html"
RECEIPT_FILE = REPORTS_FOLDER / "tracked.json"

OUTPUT_FOLDERS = (Path("data"), Path("models"), METRICS_FOLDER, REPORTS_FOLDER)
"""What all outputs lie in."""
OUTPUTS = (
    RAW_FOLDER, SPLIT_FILE, FRAMES_FOLDER, PAIRS_FOLDER, GENERATOR_FOLDER, GENERATED_FOLDER,
    REFERENCE_FOLDER, EVALUATED_FOLDER, METRICS_FOLDER, EXPLORE_FOLDER, SPECTROGRAM_FOLDER,
    LISTEN_FILE, RECEIPT_FILE,
)  # fmt: skip
"""What stages write, and replace with all that lies in it."""


def metrics_file(stage: str) -> Path:
    """The numbers a stage reports."""
    return METRICS_FOLDER / f"{stage}.json"


def is_output(path: Path) -> bool:
    """Whether ``path`` is one of :data:`OUTPUTS`, or lies in one."""
    whole = real_path(path)
    return any(whole.is_relative_to(real_path(output)) for output in OUTPUTS)


def real_path(path: Path) -> Path:
    """Absolute and without links, where they lead somewhere: ``Path.resolve`` fails on circles."""
    return Path(os.path.realpath(path))


def main_root() -> Path:
    """The main repository's root; DVC names it to stages, in temporary workspaces too."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
