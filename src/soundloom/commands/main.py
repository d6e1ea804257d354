"""The ``soundloom`` command: its verbs, and how their errors end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import nullcontext

from soundloom.commands import (
    check,
    demo,
    generate,
    new,
    play,
    promote,
    restore,
    study,
    track,
    ui,
)
from soundloom.common.ending import exit_status_kept
from soundloom.common.errors import run_or_exit
from soundloom.common.threads import one_thread_for_linear_algebra

_VERBS = {
    "new": new,
    "generate": generate,
    "demo": demo,
    "play": play,
    "ui": ui,
    "track": track,
    "restore": restore,
    "promote": promote,
    "study": study,
    "check": check,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run the verb; a user's error ends in one line, status 1."""
    parsed = _parser().parse_args(arguments)
    if parsed.debug:
        os.environ["SOUNDLOOM_DEBUG"] = "1"
    one_thread_for_linear_algebra()  # as for the stages: the same bytes from both
    # Of who calls this with arguments, it is not the end.
    with exit_status_kept() if arguments is None else nullcontext():
        run_or_exit(lambda: parsed.run(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="soundloom",
        description="New music in the genre of your recordings. Run it in the project's root.",
    )
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, verb in _VERBS.items():
        own = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(own)
        # Suppressed: a default here would undo a --debug given before the command.
        own.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print tracebacks"
        )
        own.set_defaults(run=verb.run)
    return parser
