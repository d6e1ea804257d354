"""Stage ``track``: keep this variant as one run in MLflow, and those that still wait for it."""

from __future__ import annotations

from soundloom.common.io import write_json
from soundloom.common.paths import RECEIPT_FILE, main_root
from soundloom.experiments.tracking import track
from soundloom.experiments.variant import read_variant


def main() -> bool:
    """Run the stage; returns whether the variant is recorded, which no pipeline fails for."""
    variant = read_variant()
    recorded = track(main_root(), variant)
    # The receipt is what DVC sees of this stage. It names no run: ids differ from store to store.
    write_json(RECEIPT_FILE, {"fingerprint": variant.fingerprint, "recorded": recorded})
    return recorded
