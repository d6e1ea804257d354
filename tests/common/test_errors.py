"""How a program ends: in one line, or without a word where nobody listens any more."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from soundloom.common.errors import (
    MAX_CHARACTERS,
    SoundloomError,
    exit_with,
    first_line,
    run_or_exit,
    warn,
    without_credentials,
)

_PRINTS_A_LOT = """
from soundloom.common.errors import run_or_exit
run_or_exit(lambda: [print("clip", number) for number in range(100_000)])
"""


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PRINTS_A_LOT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as printing:
        assert printing.stdout is not None
        assert printing.stderr is not None
        assert printing.stdout.readline() == "clip 0\n"
        printing.stdout.close()
        assert printing.stderr.read() == ""
        assert printing.wait(timeout=60) == 0


_WAITS = """
import time
from soundloom.common.errors import run_or_exit
run_or_exit(lambda: [print("ready", flush=True), time.sleep(600)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_program_as_ctrl_c_does(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        waiting.send_signal(how)
        _, printed = waiting.communicate()
    assert printed == "soundloom: interrupted; nothing half-written was kept\n"
    assert waiting.returncode == 130


_DELETES = """
import signal, sys, time
from soundloom.common.errors import run_or_exit

class Deleted:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

def delete():
    Deleted()
    time.sleep(600)

run_or_exit(delete)
"""


# As NumPy does, whose import then fails.
_REPORTED_OTHERWISE = """
import signal, sys
from soundloom.common.errors import run_or_exit

def imported_in_c():
    try:
        signal.raise_signal(int(sys.argv[1]))
    except KeyboardInterrupt:
        raise ImportError("PyCapsule_Import could not import module datetime") from None

run_or_exit(imported_in_c)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "program", [_DELETES, _REPORTED_OTHERWISE], ids=["dropped", "reported otherwise"]
)
def test_a_signal_that_python_or_a_library_hides_is_not_lost(
    program: str, how: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(int(how))],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == "soundloom: interrupted; nothing half-written was kept\n"
    assert done.returncode == 130


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_so() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        run_or_exit(lambda: signal.raise_signal(signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, former)


def test_what_libraries_say_is_cut_to_a_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("damaged " * 1000))) == MAX_CHARACTERS + 2


def test_a_warning_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    warn("riff.wav: cut off")
    assert capsys.readouterr() == ("", "soundloom: warning: riff.wav: cut off\n")


def test_too_little_memory_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        run_or_exit(lambda: np.empty(1 << 45))
    printed = capsys.readouterr().err
    assert printed.startswith("soundloom: error: not enough memory: Unable to allocate")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hidden@host/db", "postgresql://***@host/db"),
        ("http://me:hid'den@host:80", "http://***@host:80"),
        ("mysql+pymysql://me:hi/d@den@host/db", "mysql+pymysql://***@host/db"),
        ("https://hidden@host/group/repository.git", "https://***@host/group/repository.git"),
        ("mssql://host/db?user=me&password=hidden&x=1", "mssql://host/db?user=me&password=***&x=1"),
        ("https://host/?access_token=hidden", "https://host/?access_token=***"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("http://host:5000 or mail me@host", "http://host:5000 or mail me@host"),
    ],
)
def test_credentials_are_not_printed(
    address: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without_credentials(f"'{address}': refused") == f"'{shown}': refused"
    assert "hid" not in first_line(ValueError("x" * (MAX_CHARACTERS - 20) + address))
    monkeypatch.setenv("SOUNDLOOM_DEBUG", "1")  # with the traceback
    with pytest.raises(SystemExit):
        exit_with(SoundloomError(f"{address} refused"))
    printed = capsys.readouterr().err
    assert f"soundloom: error: {shown} refused" in printed
    assert printed.count(shown) == 2
    assert "hidden" not in printed
