"""``soundloom study``: run the variants of a study, or those it searches for, and compare them."""

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
    parser.add_argument(
        "--journal",
        type=given_path,
        metavar="FILE",
        help="where several machines that share a search have its trials; otherwise here",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run what has not run yet and print the table."""
    import socket

    from soundloom.common.io import write_text
    from soundloom.common.paths import main_root
    from soundloom.experiments import study as studies
    from soundloom.experiments.store import RunStore

    # First: what is wrong with these should not come out after the variants ran.
    for path, option in ((arguments.out, "--out"), (arguments.journal, "--journal")):
        if path:
            check_writable(path, option)
    study, remarks = studies.read_study(arguments.study), ""
    store = RunStore.of_project()
    if study.search is None:
        studies.run(study)
    else:
        from soundloom.experiments import search

        machine = f"{socket.gethostname()}:{main_root()}" if arguments.journal else ""
        trials = search.Trials(study, arguments.journal or main_root() / search.JOURNAL, machine)
        search.run(trials, store)
        study, remarks = trials.as_study(), search.remarks(trials)
    text = studies.table(study, studies.read_rows(study, store)) + remarks
    print(text)
    if arguments.out:
        write_text(arguments.out, text)
