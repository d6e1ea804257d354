"""`soundloom ui` or `soundloom demo` in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from projects import REPOSITORY

SOURCE = REPOSITORY / "src"
COMMAND = (sys.executable, "-c", "from soundloom.commands.main import main; main()")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without the settings of whoever runs the tests, and with this repository's code."""
    unset = ("DVC_", "MLFLOW_", "SOUNDLOOM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    return {**kept, "PYTHONPATH": str(SOURCE), **(changes or {})}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answered(url: str, server: subprocess.Popen[Any], seconds: float = 60) -> bytes:
    """What ``url`` answers, as soon as ``server`` is there to answer."""
    until = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read()
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no answer; status {server.poll()}")


def _with_ctrl_c() -> None:
    """As in a terminal: tests that run in the background, as CI's may, have it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def served(
    folder: Path, command: Sequence[str] = COMMAND, verb: str = "ui"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server of the project in ``folder``, and its port; what is left of it is killed."""
    port = free_port()
    process = subprocess.Popen(
        [*command, verb, "--port", str(port)],
        cwd=folder, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_with_ctrl_c,
    )  # fmt: skip
    try:
        yield process, port
    finally:
        if process.poll() is None:
            for member in family(process):
                member.kill()
            process.wait()


def printed_address(process: subprocess.Popen[str]) -> str:
    """The line with the page's address, once it is printed."""
    assert process.stdout is not None
    return next(line for line in process.stdout if "http://" in line)


def family(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """The process and all its descendants."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def listened_to(process: subprocess.Popen[Any]) -> set[str]:
    """The addresses that the process and its descendants answer at."""
    return {
        connection.laddr.ip
        for member in family(process)
        for connection in member.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def end(process: subprocess.Popen[str], sign: signal.Signals) -> str:
    """Send a signal to the command alone; all its processes must end. Returns its errors."""
    members = family(process)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(members, timeout=60)
    assert (process.returncode, alive) == (0, []), errors
    return errors
