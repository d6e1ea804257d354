"""``soundloom demo``: the page to play with, served to this machine alone."""

from __future__ import annotations

import argparse
from contextlib import suppress

HELP = "serve a page to play with: a riff in, takes out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the page is served."""
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
    parser.add_argument("--open", action="store_true", help="open it in the browser, too")


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until interrupted; takes that were not downloaded are gone then.

    Raises :class:`SoundloomError` for a params.yaml that is wrong, a backend of Keras that is not
    there and a port that is taken.
    """
    import logging
    import tempfile
    import webbrowser
    from pathlib import Path

    from werkzeug.serving import make_server

    from soundloom.commands.ui import free_port
    from soundloom.common.errors import warn
    from soundloom.common.keras_setup import check_backend
    from soundloom.demo.app import create_app
    from soundloom.generation.config import GenerateConfig
    from soundloom.generation.files import why_not_own

    GenerateConfig.load()
    check_backend()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for every request
    port = free_port("127.0.0.1", arguments.port)
    with (
        tempfile.TemporaryDirectory(prefix="soundloom-", ignore_cleanup_errors=True) as folder,
        suppress(KeyboardInterrupt),
    ):
        server = make_server("127.0.0.1", port, create_app(Path(folder)), threaded=True)
        address = f"http://127.0.0.1:{port}/"
        print(f"Demo: {address}  (Ctrl+C ends it)", flush=True)
        if why := why_not_own():
            warn(why)
        if arguments.open:
            webbrowser.open(address)
        server.serve_forever()
