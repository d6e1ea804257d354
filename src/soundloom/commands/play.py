"""``soundloom play``: play an audio file through whatever player the system has."""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

from soundloom.commands.given import given_path
from soundloom.common.errors import SoundloomError

HELP = "play an audio file"

# In order of preference; each plays one file, shows no window and ends with it.
PLAYERS = (
    ("afplay",),  # macOS
    ("pw-play",),  # PipeWire
    ("paplay",),  # PulseAudio
    ("aplay", "-q"),  # ALSA; what it does not know it plays as noise
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
)
# What ffplay says where there is no audio device, and then ends as if all were well.
UNHEARD = "audio open failed"
INSTEAD = "open reports/listen.html in a browser instead (`make listen`)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", type=given_path)


def run(arguments: argparse.Namespace) -> None:
    """Play the file."""
    play(arguments.file)


def play(path: Path) -> None:
    """Play ``path`` to its end.

    Players are tried in turn, as one may be installed without its sound server, or not support the
    format. Raises :class:`SoundloomError`: no audio, no player, or none that could play it.
    """
    from soundloom.audio.files import decode_file

    decode_file(path, 8000)  # some players take anything for sound, or end well without any
    if sys.platform == "win32":
        _play_on_windows(path)
        return
    with path.open("rb") as file:
        known_to_aplay = file.read(4) in (b"RIFF", b".snd")
    found = [
        command
        for command in PLAYERS
        if shutil.which(command[0]) and (known_to_aplay or command[0] != "aplay")
    ]
    if not found:
        names = ", ".join(command[0] for command in PLAYERS)
        raise SoundloomError(
            f"{path}: no audio player for it found (looked for {names}); {INSTEAD}"
        )
    complaints = []
    for command in found:
        # An absolute path, so that a file called -x is not taken for an option.
        played = subprocess.run(
            [*command, str(path.resolve())], check=False, stderr=subprocess.PIPE, text=True
        )
        if played.returncode == 0 and UNHEARD not in played.stderr:
            return
        complaints.append(f"{command[0]}: {_reason(played)}")
    raise SoundloomError(
        f"{path}: could not be played, perhaps for want of an audio device "
        f"({'; '.join(complaints)}); {INSTEAD}"
    )


def _reason(failed: subprocess.CompletedProcess[str]) -> str:
    """That nothing was heard, or the last line of a player's error, or its exit status."""
    lines = failed.stderr.strip().splitlines()
    unheard = [line for line in lines if UNHEARD in line]
    return (unheard or lines or [f"exit status {failed.returncode}"])[-1].strip()


def _play_on_windows(path: Path) -> None:  # pragma: no cover
    """Play with the standard library's ``winsound``, which plays WAV only."""
    winsound = importlib.import_module("winsound")  # which type checkers elsewhere do not know
    try:
        winsound.PlaySound(str(path.resolve()), winsound.SND_FILENAME | winsound.SND_NODEFAULT)
    except RuntimeError as error:
        raise SoundloomError(f"{path}: could not be played ({error}); {INSTEAD}") from None
