"""Takes: continuations that the page asked for, as sounds and pictures in a folder."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundloom.audio.files import write_audio
from soundloom.audio.samples import limited, resample
from soundloom.common.io import folder_written_aside, read_array, write_array
from soundloom.figures.spectrograms import draw_encoded
from soundloom.generation.config import GenerateConfig
from soundloom.generation.files import continue_file

if TYPE_CHECKING:  # imports Keras
    from soundloom.models.base import Progress

SOUNDS = ("prompt", "continuation", "joined")
"""What there is to hear of a take."""
ENDINGS = (".wav", ".flac", ".mp3", ".ogg")
"""What sounds can be downloaded as."""


@dataclass(frozen=True)
class Take:
    """What a take was made from; its files lie in the folder of its ``number``."""

    number: int
    recording: str
    """As the file was called in the browser."""
    model: str
    """The model's name on the page."""
    config: GenerateConfig
    notes: tuple[str, ...]
    """What was noted as the recording was read."""


class Takes:
    """All takes by number, the oldest first, in a folder that is theirs alone."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers = count(1)
        self._takes: dict[int, Take] = {}
        self._encoding = threading.Lock()  # or two who ask for one file would both write it

    def all(self) -> list[Take]:
        """Those that were made and not removed."""
        return list(self._takes.values())

    def make(
        self,
        recording: Path,
        generator: Path,
        options: Mapping[str, Any],
        *,
        name: str,
        model: str,
        progress: Progress,
    ) -> Take:
        """Continue ``recording``, called ``name``, by the model in ``generator``, called ``model``.

        ``options`` are keys of ``generate`` in ``params.yaml``, which has the others. Raises
        :class:`SoundloomError` as :func:`continue_file` does.
        """
        config = GenerateConfig.load().with_options(options)
        notes: list[str] = []
        made = continue_file(recording, generator, config, tell=notes.append, progress=progress)
        rate_hz, codec, number = made.sample_rate_hz, made.codec, next(self._numbers)
        with folder_written_aside(self._folder / str(number)) as aside:
            for sound in SOUNDS:
                # A prompt at full scale may be beyond it at another rate.
                samples = limited(getattr(made, sound), rate_hz)
                write_array(aside / f"{sound}.npy", samples)
                heard = resample(samples, rate_hz, codec.sample_rate_hz)
                draw_encoded(aside / f"{sound}.png", codec.encode(heard), codec)
        self._takes[number] = Take(number, name, model, config, tuple(notes))
        return self._takes[number]

    def file(self, number: int, sound: str, ending: str) -> Path | None:
        """A sound of a take with one of ``ENDINGS``, or its picture (.png); None if there is none.

        Raises :class:`SoundloomError` where the format does not have the sound's rate.
        """
        take = self._takes.get(number)
        if take is None or sound not in SOUNDS or ending not in (*ENDINGS, ".png"):
            return None
        path = self._folder / str(number) / f"{sound}{ending}"
        with self._encoding:
            if not path.exists():
                samples = read_array(path.with_suffix(".npy"))
                write_audio(path, samples, take.config.sample_rate_hz)
        return path

    def remove(self, number: int) -> None:
        """Forget a take, if it is there, and delete its files."""
        if self._takes.pop(number, None):
            shutil.rmtree(self._folder / str(number), ignore_errors=True)
