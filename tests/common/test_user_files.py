"""Folders of the user's: what DVC cannot read to its end is named, and all else is let pass."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from params import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.common.params import read_params
from soundloom.common.paths import OUTPUTS, is_output
from soundloom.common.user_files import check_apart, check_trackable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and sockets of POSIX")


def link(path: Path) -> None:
    path.symlink_to("/nowhere/at all")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("name", ["gone.wav", ".hidden", "notes", "sub/gone.wav"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (link, "a link to a file that is not there"),
        (loop, "a link to a file that is not there"),
        (os.mkfifo, "no regular file"),
        (bind, "no regular file"),
    ],
    ids=["link", "loop", "pipe", "socket"],
)
def test_what_dvc_cannot_read_is_named(
    name: str, make: object, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    Path("band/sub").mkdir(parents=True)
    Path("band/a.wav").write_bytes(b"sound")
    assert callable(make)
    make(Path("band", name))
    said = f"music is 'band'; it holds 'band/{name}', {why}, at which DVC stops: remove it"
    with pytest.raises(SoundloomError, match=re.escape(said)):
        check_trackable(Path("band"), "music")


def test_a_name_that_is_not_utf_8_is_named_where_dvc_stops_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    name = os.fsencode(tmp_path) + b"/band/caf\xe9"
    Path(os.fsdecode(name)).mkdir(parents=True)
    with pytest.raises(SoundloomError, match="whose name is not UTF-8, at which DVC stops: rename"):
        check_trackable(tmp_path / "band", "music")


def test_all_else_is_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "band/empty").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/b.wav").write_bytes(b"")
    (tmp_path / "band/disk").symlink_to(tmp_path / "disk")
    (tmp_path / "band/b.wav").symlink_to(tmp_path / "disk/b.wav")
    for circle in ("here", "there", "everywhere"):
        (tmp_path / "band" / circle).symlink_to(tmp_path)
    # .dvcignore has DVC pass over names that are not UTF-8.
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/band/caf\xe9.wav")).symlink_to("/nowhere")
    check_trackable(tmp_path / "band", "music")
    check_trackable(tmp_path / "not there", "music")


def test_the_outputs_are_those_of_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    stages = read_params(Path("dvc.yaml"))["stages"].values()
    listed = [
        out for one in stages for kind in ("outs", "metrics", "plots") for out in one.get(kind, [])
    ]
    outs = {Path(out if isinstance(out, str) else next(iter(out))) for out in listed}
    assert all(map(is_output, outs))
    assert all(any(out.is_relative_to(output) for out in outs) for output in OUTPUTS)
    assert not is_output(Path("reports/study.md"))
    assert not is_output(Path("models/other"))
    assert is_output(Path("models/../models/generator/codec.json"))
    check_apart(Path("reports/band"), "music")


def test_links_that_lead_in_a_circle_are_no_outputs(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    assert not is_output(circle / "codec.json")
    check_apart(circle, "--out")
