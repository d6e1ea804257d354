"""Prompts from the user's own files, and what a trained model makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundloom.audio.files import decode_file
from soundloom.audio.samples import resample
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import BASE_FOLDER, GENERATOR_FOLDER
from soundloom.generation.config import GenerateConfig
from soundloom.generation.continuation import continue_prompts, join, why_no_sections
from soundloom.generation.prompts import Prompt, prompt_from_end
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.files import read_codec

if TYPE_CHECKING:  # imports Keras
    from soundloom.models.base import Progress

Tell = Callable[[str], object]


def own_model() -> Path:
    """The folder of the project's own model; before any training, of the base."""
    trained = GENERATOR_FOLDER.exists() or not BASE_FOLDER.exists()
    return GENERATOR_FOLDER if trained else BASE_FOLDER


def why_not_own() -> str:
    """What to say where :func:`own_model` was not trained here; "" where it was."""
    if GENERATOR_FOLDER.exists():
        return ""
    instead = f"{BASE_FOLDER.as_posix()} is used" if BASE_FOLDER.exists() else "none can be used"
    return f"no model has been trained here yet, so {instead}: `make repro` trains one"


@dataclass(frozen=True)
class Continued:
    """The end of a recording and what was made of it, in the codec's channels."""

    prompt: np.ndarray
    continuation: np.ndarray
    sample_rate_hz: int
    codec: FrameCodec
    """What the model hears and writes through, at a rate of its own."""

    @property
    def joined(self) -> np.ndarray:
        """Prompt, then continuation."""
        return join(self.prompt, self.continuation, self.sample_rate_hz)


def continue_file(
    path: Path,
    generator: Path,
    config: GenerateConfig,
    *,
    tell: Tell,
    progress: Progress = iter,
) -> Continued:
    """Continue the recording ``path`` with the model in the folder ``generator``.

    The same recording, model and ``config`` give the same samples. ``tell`` is as for
    :func:`read_prompt`, and is told, too, what the model cannot do; ``progress`` as for
    :func:`continue_prompts`. Raises :class:`SoundloomError` for what is wrong with the recording,
    before Keras takes its seconds to start, and with the model.
    """
    prompt = read_prompt(path, config.prompt_seconds, read_codec(generator), tell).samples
    start_keras(config.seed, config.threads)
    from soundloom.models.files import load_generator

    model, codec = load_generator(generator)
    if why := why_no_sections(model, config):
        tell(why)
    (made,) = continue_prompts(model, codec, [prompt], config, progress)
    rate_hz = config.sample_rate_hz
    return Continued(resample(prompt, codec.sample_rate_hz, rate_hz), made.samples, rate_hz, codec)


def read_prompt(path: Path, prompt_seconds: float, codec: FrameCodec, tell: Tell) -> Prompt:
    """The last ``prompt_seconds`` of a recording, at the codec's rate.

    What its owner should know of how it was read goes to ``tell``, who knows what they call it.
    Raises :class:`UnusableAudio` as :func:`decode_file` and :func:`prompt_from_end` do.
    """
    recording = decode_file(path, codec.sample_rate_hz, codec.channels)
    prompt = prompt_from_end(path, recording.samples, prompt_seconds, codec)
    for note in recording.notes:
        tell(note)
    return prompt
