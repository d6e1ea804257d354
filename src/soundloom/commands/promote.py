"""``soundloom promote``: make the model of an MLflow run the champion."""

from __future__ import annotations

import argparse

from soundloom.commands.given import given

HELP = "make the model of an MLflow run the champion, which others may then name"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("run_id", type=given, metavar="RUN_ID", help="as MLflow's page shows it")


def run(arguments: argparse.Namespace) -> None:
    """Promote it and print the address it now has."""
    from soundloom.experiments.registry import promote
    from soundloom.experiments.store import RunStore

    store = RunStore.of_project(create=False)
    address = promote(store, arguments.run_id)
    print(f"{address} is now the model of run {arguments.run_id}; `soundloom generate --model` it")
