"""Source ``folder``: which files are offered, as what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from recordings import encoded_by_ffmpeg, music, write_recording
from soundloom.common.errors import SoundloomError
from soundloom.config import Config
from soundloom.ingest.collection import Collection
from soundloom.ingest.sources import open_source


@pytest.fixture(autouse=True)
def _in_project(project: Path) -> None:
    """Relative paths are relative to the project."""


def collect(params: dict[str, Any], path: str) -> Collection:
    params["dataset"] |= {"source": "folder", "folder": {"path": path}}
    with open_source(Config.parse(params, "params.yaml").dataset) as collection:
        return collection


def write(*names: str) -> None:
    for seed, name in enumerate(names):
        write_recording(Path(name), music(1, 8_000, seed), 8_000)


def test_the_first_folder_on_the_way_to_a_file_is_its_artist(params: dict[str, Any]) -> None:
    write("mine/a.wav", "mine/Björk/live/b.wav", "mine/The Who/c.wav")
    offered = collect(params, "mine").recordings
    assert [(one.name, one.artist) for one in offered] == [
        ("Björk/live/b.wav", "Björk"),
        ("The Who/c.wav", "The Who"),
        ("a.wav", None),
    ]
    assert len(offered[0].load(16_000).samples) == 16_000


def test_tags_are_found_when_a_recording_is_loaded(params: dict[str, Any]) -> None:
    content = encoded_by_ffmpeg(music(1, 8_000), 8_000, "ipod", "alac", {"artist": "Björk"})
    Path("mine/bjork").mkdir(parents=True)
    Path("mine/bjork/a.m4a").write_bytes(content)
    [offered] = collect(params, "mine").recordings
    assert (offered.artist, offered.load(8_000).tags.artist) == ("bjork", "Björk")


def test_a_folder_named_as_the_genre_is_used_alone(params: dict[str, Any]) -> None:
    write("mine/rock/a.wav", "mine/jazz/b.wav")
    assert [one.name for one in collect(params, "mine").recordings] == ["a.wav"]
    params["dataset"]["genre"] = "skiffle"
    names = [one.name for one in collect(params, "mine").recordings]
    assert names == ["jazz/b.wav", "rock/a.wav"]


def test_the_folder_may_lie_anywhere_else(params: dict[str, Any], tmp_path: Path) -> None:
    write(f"{tmp_path}/disk/a.wav")
    assert [one.name for one in collect(params, f"{tmp_path}/disk").recordings] == ["a.wav"]
    Path("data").mkdir()
    Path("data/recordings").symlink_to(tmp_path / "disk")
    assert [one.name for one in collect(params, "data/recordings").recordings] == ["a.wav"]


def test_a_missing_folder_is_named(params: dict[str, Any]) -> None:
    with pytest.raises(SoundloomError, match=r"folder\.path is 'nowhere'; it must be an existing"):
        collect(params, "nowhere")
    write("a.wav")
    with pytest.raises(SoundloomError, match=r"folder\.path is 'a\.wav'; it must be an existing"):
        collect(params, "a.wav")


def test_a_folder_without_audio_is_told_what_to_put_there(params: dict[str, Any]) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("Put recordings here")
    with pytest.raises(SoundloomError, match=r"no audio in it; put recordings there \(wav, flac"):
        collect(params, "mine")


def test_a_name_that_is_not_utf8_is_left_out_and_named(params: dict[str, Any]) -> None:
    for name in (b"mine/caf\xe9.wav", b"mine/d\xe9j\xe0/vu.wav", "mine/café.wav".encode()):
        path = Path(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"-")
    offered = collect(params, "mine")
    assert [one.name for one in offered.recordings] == ["café.wav"]
    assert {entry.file for entry in offered.rejected} == {r"caf\xe9.wav", r"d\xe9j\xe0/vu.wav"}
    assert all("not UTF-8" in entry.reason for entry in offered.rejected)


def test_names_alike_but_for_case_accents_or_ending_are_recordings_of_their_own(
    params: dict[str, Any],
) -> None:
    names = ["A.wav", "a.WAV", "a.flac", "a.wav", "a.wav.wav", "\u00e9.wav", "e\u0301.wav"]
    write(*(f"mine/{name}" for name in names))
    assert sorted(one.name for one in collect(params, "mine").recordings) == sorted(names)


@pytest.mark.parametrize("path", ["data/recordings", "not/tracked"])
def test_a_temporary_workspace_says_what_it_does_not_hold(
    params: dict[str, Any], path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As git checks it out there; the recordings beside this file are in no commit.
    Path("data/recordings").mkdir(parents=True)
    Path("data/recordings/README.md").touch()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    with pytest.raises(SoundloomError, match="only what git or DVC tracks") as told:
        collect(params, path)
    assert f"dataset.folder.path is {path!r}" in str(told.value)
    assert f"give the absolute path, {tmp_path}/main/{path}, or `dvc add` it" in str(told.value)
    # As by `dvc repro`, and with a path that any workspace sees.
    with pytest.raises(SoundloomError) as told:
        collect(params, f"{tmp_path}/nowhere")
    assert "git or DVC" not in str(told.value)
    monkeypatch.setenv("DVC_ROOT", str(Path.cwd()))
    with pytest.raises(SoundloomError) as told:
        collect(params, path)
    assert "git or DVC" not in str(told.value)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("data/raw", "data/raw"),
        ("data/raw/rock", "data/raw"),
        ("data", "data/raw"),
        (".", "data/raw"),
        ("data/generated/samples", "data/generated"),
        ("models", "models/generator"),
    ],
)
def test_the_folders_the_pipeline_writes_are_refused(
    params: dict[str, Any], path: str, own: str
) -> None:
    write("data/raw/rock/a.wav", "data/generated/samples/a.wav", "models/generator/a.wav")
    with pytest.raises(SoundloomError, match=f"it must lie apart from {own}, which the pipeline"):
        collect(params, path)
