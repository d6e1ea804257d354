"""Stage ``track``: keep this variant as one run in MLflow, and those that still wait for it."""

from __future__ import annotations

import sys
from pathlib import Path

from soundloom.common.errors import first_line
from soundloom.common.io import write_json
from soundloom.common.paths import RECEIPT_FILE
from soundloom.experiments.runs import RunStore, main_root
from soundloom.experiments.spool import Spool
from soundloom.experiments.variant import Variant, read_variant


def main() -> bool:
    """Run the stage; a store that cannot be written is a warning, never the pipeline's failure.

    Returns whether the variant is recorded. One that is not waits in the main repository.
    """
    root, variant = main_root(), read_variant()
    trouble = _record(root, variant)
    if trouble is None:
        Spool(root).drop(variant)
        record_waiting(root)
    else:
        _warn(f"not recorded in MLflow ({trouble}); {_keep(root, variant)}")
    # The receipt is what DVC sees of this stage. It names no run: ids differ from store to store.
    write_json(RECEIPT_FILE, {"fingerprint": variant.fingerprint, "recorded": trouble is None})
    return trouble is None


def record_waiting(root: Path) -> bool:
    """Record the variants MLflow could not take earlier; False when it still cannot."""
    spool = Spool(root)
    for variant in spool.waiting():
        trouble = _record(root, variant)
        if trouble is not None:
            _warn(f"earlier variants still wait to be recorded in MLflow ({trouble})")
            return False
        spool.drop(variant)
    return True


def _record(root: Path, variant: Variant) -> str | None:
    """Record a variant; returns what went wrong, in one line, or None."""
    try:
        store = RunStore(root, variant.description.params["track.experiment"])
        run_id = store.record(variant)
        name = store.name(run_id)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        return first_line(error)
    print(f"MLflow run {run_id} ({name})")
    return None


def _keep(root: Path, variant: Variant) -> str:
    """Have the variant wait; returns what to say of it."""
    try:
        Spool(root).keep(variant)
    except OSError as error:
        return f"nor could it be set aside ({error}): `soundloom track` here tries again"
    return "it is kept until the next variant is recorded, or `soundloom track` is called"


def _warn(text: str) -> None:
    print(f"soundloom: warning: {text}", file=sys.stderr)
