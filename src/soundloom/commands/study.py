"""``soundloom study``: run the variants of a study and compare them."""

from __future__ import annotations

import argparse

from soundloom.commands.given import given_path
from soundloom.commands.writable import check_writable

HELP = "run the variants of a study and compare them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study, and where else its table goes."""
    parser.add_argument(
        "study", type=given_path, metavar="FILE", help="the study, such as study.yaml"
    )
    parser.add_argument("--out", type=given_path, help="write the table here too: a Markdown file")


def run(arguments: argparse.Namespace) -> None:
    """Run what has not run yet and print the table."""
    from soundloom.common.io import write_text
    from soundloom.experiments import study as studies
    from soundloom.experiments.store import RunStore

    # First: what is wrong with these should not come out after the variants ran.
    if arguments.out:
        check_writable(arguments.out, "--out")
    study = studies.read_study(arguments.study)
    store = RunStore.of_project()
    studies.run(study)
    text = studies.table(study, studies.read_rows(study, store))
    print(text)
    if arguments.out:
        write_text(arguments.out, text)
