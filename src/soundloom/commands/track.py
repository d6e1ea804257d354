"""``soundloom track``: keep the variant in this folder as an MLflow run."""

from __future__ import annotations

import argparse

HELP = "keep the variant in this folder as an MLflow run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--waiting`` leaves the variant in this folder out."""
    parser.add_argument(
        "--waiting", action="store_true", help="only those MLflow could not take earlier"
    )


def run(arguments: argparse.Namespace) -> None:
    """Record what there is to record; status 1, after the warnings, when MLflow fails."""
    from soundloom.common.paths import main_root
    from soundloom.experiments.tracking import track_waiting
    from soundloom.stages import track

    recorded = track_waiting(main_root()) if arguments.waiting else track.main()
    if not recorded:
        raise SystemExit(1)
