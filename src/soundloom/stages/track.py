"""Stage ``track``: keep this variant as one run in MLflow."""

from __future__ import annotations

import sys

from soundloom.config import load_config
from soundloom.errors import first_line
from soundloom.layout import RECEIPT_FILE
from soundloom.store import write_json
from soundloom.tracking import RunStore, main_root
from soundloom.variant import read_variant


def main() -> bool:
    """Run the stage; a store that cannot be written is a warning, never the pipeline's failure.

    Returns whether the variant is recorded.
    """
    variant = read_variant()
    try:
        store = RunStore(main_root(), load_config().track.experiment)
        run_id = store.record(variant)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        print(
            f"soundloom: warning: not recorded in MLflow ({first_line(error)}); "
            "`soundloom track` tries again",
            file=sys.stderr,
        )
        recorded = False
    else:
        print(f"MLflow run {run_id} ({variant.description.name})")
        recorded = True
    # The receipt is what DVC sees of this stage. It names no run: ids differ from store to store.
    write_json(RECEIPT_FILE, {"fingerprint": variant.fingerprint, "recorded": recorded})
    return recorded
