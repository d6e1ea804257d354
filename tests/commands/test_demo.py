"""`soundloom demo` as a process: to this machine alone, until it is ended."""

from __future__ import annotations

import signal
import socket
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from page_server import end, listened_to, printed_address, served
from params import write_params
from soundloom.commands.main import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.slow
def test_the_page_is_served_to_this_machine_alone_and_ends_with_ctrl_c(project: Path) -> None:
    write_params(project)
    with served(project, verb="demo") as (process, port):
        assert printed_address(process) == f"Demo: http://127.0.0.1:{port}/  (Ctrl+C ends it)\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as reply:
            assert b"<title>soundloom: takes</title>" in reply.read()
        assert listened_to(process) == {"127.0.0.1"}
        loaded = {Path(entry.path).name for entry in psutil.Process(process.pid).memory_maps()}
        assert not {name for name in loaded if "tensorflow" in name}, "before there is a riff"
        told = end(process, signal.SIGINT)
    assert told == (
        "soundloom: warning: no model has been trained here yet, so none can be used: `make repro` "
        "trains one\n"
    )


def test_what_is_wrong_with_the_project_is_told_before_a_page_is_served(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(project, {"generate.seconds": -1.0})
    with pytest.raises(SystemExit):
        main(["demo", "--port", "0"])
    assert "params.yaml: generate.seconds is -1.0" in capsys.readouterr().err


def test_a_backend_that_is_not_there_is_named_before_a_page_is_served(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(project)
    monkeypatch.setenv("KERAS_BACKEND", "foo")
    with pytest.raises(SystemExit):
        main(["demo", "--port", "0"])
    assert "error: KERAS_BACKEND is 'foo'; it must be" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_params(project)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        main(["demo", "--port", str(taken.getsockname()[1])])
    assert "choose another with --port" in capsys.readouterr().err
