"""`soundloom ui`: MLflow's page for this machine alone, with nothing left behind when it ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from page_server import answered, end, family, listened_to, printed_address, served
from params import write_params
from projects import ODD_NAME
from soundloom.commands.main import main
from soundloom.experiments.store import RunStore
from tracked import give_store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and scripts of POSIX")

# In the place of MLflow, which takes seconds to start: it listens, and has a child of its own.
STUB = """\
import socket, subprocess, sys, time
waiting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
port = int(sys.argv[sys.argv.index("--port") + 1])
listening = socket.create_server(("127.0.0.1", port))
time.sleep(600)
"""
# The same, until somebody connects.
VISITED_STUB = """\
import socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
socket.create_server(("127.0.0.1", port)).accept()
"""


@pytest.fixture
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of params.yaml and an empty store, as working directory."""
    write_params(project)
    give_store(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return project


def write_server(folder: Path, script: str) -> Path:
    """A program that the command takes for the Python that runs MLflow."""
    program = folder / "server"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.usefixtures("folder")
def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit):
            main(["ui", "--port", str(port)])
    errors = capsys.readouterr().err
    assert f"port {port} on 127.0.0.1 cannot be used" in errors
    assert "--port" in errors


@pytest.mark.slow
def test_the_page_serves_this_machine_alone_and_ends_with_ctrl_c(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The project is moved after its first run, to a place hard to write as an address.
    before = RunStore(folder, "soundloom")
    early = before.client.create_run(before.experiment_id).info.run_id
    before.client.log_artifact(early, "params.yaml")
    folder = folder.rename(tmp_path / ODD_NAME)
    with served(folder) as (process, port):
        # The address is printed once the page is there, not before.
        printed = printed_address(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as reply:
            assert b"<html" in reply.read()

        # The tests' own process writes a run, as a stage would, to the very store that is served.
        store = RunStore(folder, "soundloom")
        address = f"http://127.0.0.1:{port}/#/experiments/{store.experiment_id}/runs?"
        assert address in printed
        run_id = store.client.create_run(store.experiment_id).info.run_id
        store.client.log_artifact(run_id, "params.yaml")
        for run in (run_id, early):
            page = f"http://127.0.0.1:{port}/get-artifact?path=params.yaml&run_uuid={run}"
            assert answered(page, process) == (folder / "params.yaml").read_bytes()

        # And over HTTP, as where MLFLOW_TRACKING_URI names a team's server.
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        remote = RunStore(folder, "soundloom")
        assert remote.experiment_id == store.experiment_id
        assert remote.client.get_run(run_id).info.run_id == run_id

        assert listened_to(process) == {"127.0.0.1"}
        assert "Traceback" not in end(process, signal.SIGINT)


@pytest.mark.slow
def test_a_signal_to_the_command_ends_all_its_processes(folder: Path) -> None:
    (folder / "stub.py").write_text(STUB, encoding="utf-8")
    server = write_server(folder, f'exec "{sys.executable}" stub.py "$@"')
    program = (
        "import sys; from soundloom.commands.main import main\n"
        f"python, sys.executable = sys.executable, {str(server)!r}; main()"
    )
    with served(folder, (sys.executable, "-c", program)) as (process, _):
        printed_address(process)
        assert len(family(process)) == 3
        assert end(process, signal.SIGTERM) == "starting MLflow, which takes some seconds\n"


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ((), None),
        (("--host", "0.0.0.0"), "THIS-MACHINE"),
        (("--host", "0.0.0.0", "--allowed-hosts", "studio.example:*"), "studio.example:*"),
    ],
)
def test_it_answers_to_the_names_it_was_asked_to(
    folder: Path,
    options: tuple[str, ...],
    allowed: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By what MLflow is asked for; a free port is found for 0, and printed."""
    (folder / "stub.py").write_text(VISITED_STUB, encoding="utf-8")
    noted = 'echo "$@" > asked; echo "$MLFLOW_BACKEND_STORE_URI" > store'
    server = write_server(folder, f'{noted}; exec "{sys.executable}" stub.py "$@"')
    monkeypatch.setattr(sys, "executable", os.fspath(server))
    with pytest.raises(SystemExit):  # once it is visited, and its address printed, it ends
        main(["ui", "--port", "0", *options])
    printed = capsys.readouterr().out
    asked = (folder / "asked").read_text(encoding="utf-8").split()
    port = asked[asked.index("--port") + 1]
    assert int(port) > 0
    # All users of the machine may read arguments: a password has no place among them.
    assert "mlflow.db" not in " ".join(asked)
    assert (folder / "store").read_text(encoding="utf-8").endswith("/mlflow.db\n")
    shown = socket.gethostname() if options else "127.0.0.1"
    assert f"http://{shown}:{port}/" in printed
    if allowed is None:
        assert "--allowed-hosts" not in asked
    else:
        names = asked[asked.index("--allowed-hosts") + 1].split(",")
        expected = allowed.replace("THIS-MACHINE", f"{socket.gethostname()}:{port}")
        assert expected in names
        assert "*" not in names


def test_a_server_that_ends_by_itself_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server = write_server(folder, "echo 'no memory' >&2; exit 3")
    monkeypatch.setattr(sys, "executable", os.fspath(server))
    with pytest.raises(SystemExit) as ended:
        main(["ui", "--port", "0"])
    assert ended.value.code == 1
    assert capfd.readouterr().err == (
        "starting MLflow, which takes some seconds\n"
        "no memory\nsoundloom: error: MLflow's server ended by itself, with status 3\n"
    )
