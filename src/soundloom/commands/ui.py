"""``soundloom ui``: MLflow's page, served on this machine with the flags that keep it light."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.common.signals import ENDING, interrupt

HELP = "serve MLflow's page: compare and listen"

_POLL_SECONDS = 0.1
# How long the server's processes may take to end before they are killed.
_PATIENCE_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the page is served."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: loopback)"
    )
    parser.add_argument("--port", type=int, default=5000, help="0: any that is free")
    parser.add_argument(
        "--allowed-hosts",
        help="names this page may be asked for by, with commas between (default: this machine's)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until interrupted."""
    from soundloom.common.paths import main_root
    from soundloom.experiments.config import TrackConfig

    serve_page(
        main_root(),
        TrackConfig.load().experiment,
        arguments.host,
        arguments.port,
        arguments.allowed_hosts,
    )


def serve_page(
    root: Path, experiment: str, host: str, port: int, allowed_hosts: str | None = None
) -> None:
    """Serve MLflow's page of the repository at ``root``, with one worker and no job runners.

    Prints its address once it takes connections. Returns when Ctrl+C, SIGTERM or SIGHUP ends it,
    with no process left behind.

    Raises :class:`SoundloomError` when the port is taken, the store not there, broken or on another
    server, and when the server ends by itself.
    """
    port = free_port(host, port)
    from soundloom.experiments.places import artifacts_uri
    from soundloom.experiments.store import RunStore

    store = RunStore(root, experiment, create=False)
    if store.uri.startswith("http"):
        raise SoundloomError(f"{store.shown}: that server has the page")
    page = ""
    if store.experiment_id:
        # Without this, the page opens with its tools for language models.
        page = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        # Not a line for every request.
        *("--uvicorn-opts", "--log-level critical"),
        *("--host", host, "--port", str(port)),
        *_allowed_hosts(host, port, allowed_hosts),
        *("--default-artifact-root", artifacts_uri(root)),
    ]
    settings = {
        # Not as options, which all users of the machine may read: it may hold a password.
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        # Named only so that the server does not warn that it is not.
        "MLFLOW_REGISTRY_STORE_URI": store.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }
    print("starting MLflow, which takes some seconds", file=sys.stderr, flush=True)
    try:
        with _server(command, settings) as server:
            while not _takes_connections("127.0.0.1" if _is_all(host) else host, port):
                _check_running(server)
                time.sleep(_POLL_SECONDS)
            shown = socket.gethostname() if _is_all(host) else host
            print(f"MLflow: http://{shown}:{port}/{page}  (Ctrl+C ends it)", flush=True)
            server.wait()
            _check_running(server)
    except KeyboardInterrupt:
        pass


def free_port(host: str, port: int) -> int:
    """``port``, or a free one for 0; :class:`SoundloomError` where no server could listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return int(probe.getsockname()[1])
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            if isinstance(error, socket.gaierror) or error.args[0] == errno.EADDRNOTAVAIL:
                raise SoundloomError(
                    f"--host is {host!r}, which is no name or IPv4 address of this machine "
                    f"({reason})"
                ) from None
            raise SoundloomError(
                f"port {port} on {host} cannot be used ({reason}); choose another with --port"
            ) from None


def _is_all(host: str) -> bool:
    """Whether ``host`` stands for all addresses of this machine."""
    return host in ("0.0.0.0", "")


def _allowed_hosts(host: str, port: int, named: str | None) -> list[str]:
    """MLflow's options for the names in requests that it answers.

    By default it answers to loopback and private addresses alone, against pages elsewhere that
    would have a browser ask it (DNS rebinding). Asked to listen on more, it answers to the names
    and addresses of this machine, too.
    """
    if named is None:
        if host in ("127.0.0.1", "localhost"):
            return []
        import psutil

        addresses = psutil.net_if_addrs().values()
        found = {one.address for some in addresses for one in some if one.family == socket.AF_INET}
        names = {"localhost", "127.0.0.1", socket.gethostname(), socket.getfqdn(), *found}
        named = ",".join(sorted(f"{name}:{port}" for name in names))
    origins = ",".join(f"http://{name.strip()}" for name in named.split(","))
    return ["--allowed-hosts", named, "--cors-allowed-origins", origins]


def _takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _check_running(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        raise SoundloomError(f"MLflow's server ended by itself, with status {server.returncode}")


@contextmanager
def _server(
    command: Sequence[str], settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, which ends with all of its own children when the context is left.

    Within the context, the signals of :data:`ENDING` raise ``KeyboardInterrupt``, as Ctrl+C does.
    """
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, *ENDING)}
    # Where the user has one ignored, as `nohup` does, it stays ignored.
    handled = [sign for sign, handler in handlers.items() if handler is not signal.SIG_IGN]
    for sign in handled:
        signal.signal(sign, interrupt)
    # In a session of its own: the terminal's Ctrl+C reaches this process alone, which ends it.
    child = subprocess.Popen(
        command, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield child
    finally:
        # A second Ctrl+C must not leave half of the processes running.
        for sign in handled:
            signal.signal(sign, signal.SIG_IGN)
        _end(child)
        for sign in handled:
            signal.signal(sign, handlers[sign] or signal.SIG_DFL)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants; those that are not gone in time are killed."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(child.pid)
        family = [*process.children(recursive=True), process]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        for member in psutil.wait_procs(family, timeout=_PATIENCE_SECONDS)[1]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    child.wait()
