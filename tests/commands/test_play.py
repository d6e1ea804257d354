"""Playing a file: real little programs on PATH stand in for the system's players."""

import sys
from pathlib import Path

import numpy as np
import pytest

from soundloom.audio.files import write_audio
from soundloom.commands.play import PLAYERS, play
from soundloom.common.errors import SoundloomError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="players are shell scripts here")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a sound; with $odd name.wav"
    write_audio(path, np.zeros(800, np.float32), 8000)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(programs: Path, name: str, script: str) -> None:
    program = programs / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def write_arguments(programs: Path) -> str:
    """A script that writes its arguments to a file, one a line."""
    return f"printf '%s\\n' \"$@\" > '{programs}/arguments'"


@pytest.mark.parametrize("command", PLAYERS, ids=lambda command: command[0])
def test_plays_through_any_one_of_the_players(
    wav: Path, programs: Path, command: tuple[str, ...]
) -> None:
    install(programs, command[0], write_arguments(programs))
    play(wav)
    arguments = (programs / "arguments").read_text().splitlines()
    assert arguments == [*command[1:], str(wav.resolve())]


def test_a_relative_path_that_looks_like_an_option_is_a_file(
    wav: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(programs, "aplay", write_arguments(programs))
    monkeypatch.chdir(wav.parent)
    wav.rename("--help")
    play(Path("--help"))
    assert (programs / "arguments").read_text().splitlines()[-1] == str(wav.with_name("--help"))


def test_the_next_player_is_tried_when_one_fails(wav: Path, programs: Path) -> None:
    install(programs, "pw-play", "echo 'no PipeWire here' >&2; exit 1")
    install(programs, "aplay", write_arguments(programs))
    play(wav)
    assert (programs / "arguments").exists()


def test_without_an_audio_device_the_error_says_so_and_what_to_do(
    wav: Path, programs: Path
) -> None:
    install(
        programs,
        "aplay",
        "echo 'ALSA lib: cannot find card 0' >&2\n"
        "echo 'aplay: main:834: audio open error: No such file or directory' >&2\nexit 1",
    )
    install(programs, "paplay", "exit 3")
    with pytest.raises(SoundloomError, match=r"audio device .*reports/listen\.html") as caught:
        play(wav)
    text = str(caught.value)
    assert "paplay: exit status 3" in text
    assert "audio open error: No such file or directory" in text
    assert "\n" not in text


def test_a_player_that_ends_well_without_a_device_is_no_success(wav: Path, programs: Path) -> None:
    # As ffplay 5.1 does.
    install(
        programs,
        "ffplay",
        "echo 'ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM default' >&2\n"
        "echo 'No more combinations to try, audio open failed' >&2\n"
        "echo 'Failed to open file or configure filtergraph' >&2",
    )
    with pytest.raises(SoundloomError, match=r"audio device .*ffplay: .*audio open failed\)"):
        play(wav)
    install(programs, "ffplay", "echo 'estimating duration from bitrate' >&2")
    play(wav)


@pytest.mark.usefixtures("programs")
def test_without_a_player_the_error_names_those_looked_for(wav: Path) -> None:
    with pytest.raises(SoundloomError, match=r"no audio player .*afplay.*aplay.*listen\.html"):
        play(wav)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"gone\.wav: no such file"):
        play(tmp_path / "gone.wav")
    with pytest.raises(SoundloomError, match="a folder, no file"):
        play(tmp_path)


def test_what_is_no_audio_is_refused_whatever_a_player_makes_of_it(
    tmp_path: Path, programs: Path
) -> None:
    install(programs, "ffplay", "exit 0")
    (tmp_path / "lyrics.txt").write_text("These are the lyrics.\n" * 40)
    with pytest.raises(SoundloomError, match=r"lyrics\.txt: cannot be read as audio"):
        play(tmp_path / "lyrics.txt")


def test_aplay_is_given_nothing_that_it_would_play_as_noise(tmp_path: Path, programs: Path) -> None:
    write_audio(tmp_path / "new.flac", np.zeros(800, np.float32), 8000)
    install(programs, "aplay", write_arguments(programs))
    with pytest.raises(SoundloomError, match="no audio player for it found"):
        play(tmp_path / "new.flac")
    install(programs, "ffplay", write_arguments(programs))
    play(tmp_path / "new.flac")
    assert (programs / "arguments").read_text().startswith("-nodisp")
