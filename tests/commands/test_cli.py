"""The soundloom command, in processes of its own, as a user runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from page_server import COMMAND, answered, environment, served
from soundloom.commands import main as cli
from soundloom.config import load_config
from soundloom.experiments.runs import RunStore

REPOSITORY = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(project: Path) -> Path:
    """A project of params.yaml alone, as working directory."""
    shutil.copy(REPOSITORY / "params.yaml", project)
    return project


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """A user's error: status 1, one line on standard error that holds ``parts``."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("soundloom: error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for command in ("generate", "play", "ui", "track", "check"):
        assert f"\n    {command} " in printed


@pytest.mark.parametrize("arguments", [["gnerate"], [], ["ui", "--port", "many"], ["play"]])
def test_what_is_no_command_ends_with_usage_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: soundloom" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_check_says_what_follows_from_the_params() -> None:
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("params.yaml is valid: builtin, rock\n")
    n_bins = load_config(REPOSITORY / "params.yaml").spectrogram.n_bins
    assert f"frames of {n_bins} bins, 86.133 a second" in done.stdout


def test_an_error_is_one_line_and_its_traceback_is_for_debugging(folder: Path) -> None:
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    wrong = re.sub(r"n_fft: \d+", "n_fft: 7", text)
    (folder / "params.yaml").write_text(wrong, encoding="utf-8")
    done = run("check")
    assert_one_line(done, "params.yaml: spectrogram.n_fft is 7; it must be")
    for arguments in (("--debug", "check"), ("check", "--debug")):
        debugged = run(*arguments)
        assert debugged.returncode == 1
        assert "Traceback" in debugged.stderr, arguments
        assert debugged.stderr.endswith(done.stderr)


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_done_yet_is_told_in_one_line() -> None:
    assert_one_line(run("play", "none.wav"), "none.wav: no such audio file")
    assert_one_line(run("track"), "`dvc repro` makes it")


@pytest.mark.usefixtures("folder")
def test_a_port_that_cannot_be_had_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("ui", "--port", str(port))
    assert_one_line(done, f"port {port} on 127.0.0.1 cannot be used", "--port")
    assert_one_line(run("ui", "--port", "99999"), "port 99999", "65535")


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`soundloom ui` and its port."""
    with served(folder) as process_and_port:
        yield process_and_port


@pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions of POSIX")
def test_the_page_serves_this_machine_alone_and_goes_with_ctrl_c(
    server: tuple[subprocess.Popen[str], int], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, port = server
    # The address is told once the page is there, not before; MLflow has a word of its own first.
    assert process.stdout is not None
    printed = next(line for line in process.stdout if line.startswith("MLflow: "))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
        assert b"<html" in reply.read()

    # The tests' own process writes a run, as a stage would, to the very store that is served.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = RunStore(folder, "soundloom")
    run_id = store.client.create_run(store.experiment_id).info.run_id
    store.client.log_artifact(run_id, "params.yaml")
    page = f"http://127.0.0.1:{port}/get-artifact?path=params.yaml&run_uuid={run_id}"
    assert answered(page, process) == (folder / "params.yaml").read_bytes()

    # And over HTTP, as where MLFLOW_TRACKING_URI names a team's server.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    remote = RunStore(folder, "soundloom")
    assert remote.experiment_id == store.experiment_id
    assert remote.client.get_run(run_id).info.run_id == run_id

    family = [psutil.Process(process.pid)]
    family += family[0].children(recursive=True)
    assert len(family) <= 3
    listening = {
        connection.laddr.ip
        for member in family
        for connection in member.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}

    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to all in the foreground
    _, complaints = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{port}/#/experiments/{store.experiment_id}/runs?" in printed
    assert "Traceback" not in complaints
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
