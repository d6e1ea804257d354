"""``soundloom restore``: bring the variant of an MLflow run back."""

from __future__ import annotations

import argparse

from soundloom.commands.given import given

HELP = "bring the variant of an MLflow run back: commit, params, outputs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and what to do about outputs that are lost."""
    parser.add_argument("run_id", type=given, metavar="RUN_ID", help="as MLflow's page shows it")
    parser.add_argument(
        "--rebuild", action="store_true", help="leave what DVC's cache lacks to `dvc repro`"
    )


def run(arguments: argparse.Namespace) -> None:
    """Restore the variant into the working directory and print what was done."""
    from soundloom.experiments.restore import restore
    from soundloom.experiments.store import RunStore

    store = RunStore.of_project(create=False)
    print(restore(store, arguments.run_id, rebuild=arguments.rebuild))
