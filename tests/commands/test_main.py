"""The soundloom command: its verbs, how errors end, and that asking for help costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from page_server import environment
from params import small_config, write_params
from soundloom.commands.main import main

VERBS = ("new", "generate", "demo", "play", "ui", "track", "restore", "promote", "study", "check")


@pytest.fixture
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of params.yaml alone, as working directory; tracebacks off."""
    write_params(project)
    monkeypatch.setenv("SOUNDLOOM_DEBUG", "")
    return project


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for verb in VERBS:
        assert f"\n    {verb} " in printed


def test_help_needs_no_library() -> None:
    program = (
        "import sys; from soundloom.commands.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = set(done.stderr.split())
    assert not imported & {"numpy", "pydantic", "ruamel.yaml", "mlflow", "keras", "psutil"}


@pytest.mark.parametrize("arguments", [["gnerate"], [], ["ui", "--port", "many"], ["play"]])
def test_a_wrong_command_line_ends_with_usage_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: soundloom" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["play", ""], "file"),
        (["promote", ""], "RUN_ID"),
        (["restore", ""], "RUN_ID"),
        (["study", ""], "FILE"),
        (["study", "--journal", ""], "--journal"),
        (["generate", "--prompt", ""], "--prompt"),
        (["generate", "--out", ""], "--out"),
        (["generate", "--model="], "--model"),
    ],
)
def test_what_is_given_as_nothing_is_named(
    arguments: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f": error: argument {option}: it is empty\n")


@pytest.mark.usefixtures("folder")
def test_check_says_what_follows_from_the_params(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check"])
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert printed.startswith("params.yaml is valid: builtin, rock\n")
    n_bins = small_config().spectrogram.n_bins
    assert f"  frames of {n_bins} bins, 86.133 a second\n" in printed
    assert "sections" not in printed


def test_check_says_that_lstm_makes_no_sections(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(folder, {"model.name": "lstm", "generate.section_seconds": 8.0})
    main(["check"])
    said = "  no sections (generate.section_seconds), as model.name is lstm\n"
    assert capsys.readouterr().out.endswith(said)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"dataset.source": "folder", "dataset.folder.path": "mine"},
         "dataset.folder.path is 'mine'; it must be an existing folder"),
        ({"dataset.source": "folder", "dataset.folder.path": "data/raw"},
         "dataset.folder.path is 'data/raw'; it must lie apart from data/raw, which the pipeline"),
        ({"dataset.source": "folder", "dataset.folder.path": "."},
         "dataset.folder.path is '.'; it must lie apart from data/raw, which the pipeline"),
        ({"dataset.source": "gtzan", "dataset.gtzan.path": "gtzan.zip"},
         "dataset.gtzan.path is 'gtzan.zip'; it must be an existing zip or folder"),
        # DVC looks at it for any source.
        ({"dataset.folder.path": "band"},
         "dataset.folder.path is 'band'; it holds 'band/live/gone.txt', a link to a file that is "
         "not there, at which DVC stops: remove it"),
        ({"generate.prompt": "nope.wav"},
         "generate.prompt is 'nope.wav': no such file"),
        ({"generate.prompt": "data"}, "generate.prompt is 'data': a folder, no file"),
    ],
)  # fmt: skip
def test_files_that_are_named_must_be_there_before_any_work(
    folder: Path, changes: dict[str, Any], error: str, fails: Callable[..., str]
) -> None:
    write_params(folder, changes)
    (folder / "data/raw").mkdir(parents=True)
    (folder / "band/live").mkdir(parents=True)
    (folder / "band/live/gone.txt").symlink_to("/nowhere")
    errors = fails("check")
    assert error in errors
    assert errors.count("\n") == 1


def test_a_temporary_folder_that_is_none_is_named(
    folder: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nowhere", "params.yaml"):
        monkeypatch.setenv("TMPDIR", str(folder / name))
        errors = fails("check")
        assert f"TMPDIR is {str(folder / name)!r}; it must be a folder that can be" in errors
        assert errors.count("\n") == 1


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with status 1; returns what it printed as errors."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("arguments", [("--debug", "check"), ("check", "--debug")])
def test_an_error_is_one_line_and_its_traceback_is_for_debugging(
    folder: Path, arguments: tuple[str, ...], fails: Callable[..., str]
) -> None:
    write_params(folder, {"spectrogram.n_fft": 7})
    errors = fails("check")
    assert errors.startswith("soundloom: error: params.yaml: spectrogram.n_fft is 7; it must be")
    assert errors.count("\n") == 1
    debugged = fails(*arguments)
    assert "Traceback" in debugged
    assert debugged.endswith(errors)
    assert os.environ["SOUNDLOOM_DEBUG"] == "1"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("play", "none.wav"), "none.wav: no such file"),
        (("track",), "`dvc repro` makes it"),
        (("study", "none.yaml"), "none.yaml: no such file"),
        (("play", "."), ".: a folder, no file"),
        (("play", "params.yaml"), "params.yaml: cannot be read as audio"),
        (("generate", "--prompt", "none.wav", "--out", "new.wav"), "is 'none.wav': no such file"),
        (("generate", "--prompt", "/dev/zero", "--out", "new.wav"), "zero': no regular file"),
        (("generate", "--prompt", "params.yaml", "--out", "new.m4a"), "'new.m4a'; it must end in"),
        (
            ("generate", "--prompt", "params.yaml", "--out", "new.wav", "--temperature", "9"),
            "options: generate.temperature is 9.0; it must be less than or equal to 2",
        ),
        (("study", "none.yaml", "--out", "."), "--out is '.', which is a folder"),
        (("study", "none.yaml", "--journal", "no/one"), "--journal is 'no/one', but there is no"),
        (("ui", "--port", "99999"), "port 99999 on 127.0.0.1 cannot be used"),
        (("demo", "--port", "99999"), "port 99999 on 127.0.0.1 cannot be used"),
        (("ui", "--host", "::1"), "--host is '::1', which is no name or IPv4 address"),
        (("ui", "--host", "192.0.2.1"), "--host is '192.0.2.1', which is no name or IPv4 address"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], part: str, fails: Callable[..., str]
) -> None:
    errors = fails(*arguments)
    assert errors.startswith("soundloom: error: ")
    assert part in errors
    assert errors.count("\n") == 1
