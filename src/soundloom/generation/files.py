"""Prompts from the user's own files."""

from __future__ import annotations

from pathlib import Path

from soundloom.audio.files import decode_file
from soundloom.common.errors import warn
from soundloom.generation.prompts import Prompt, prompt_from_end
from soundloom.spectral.codec import FrameCodec


def read_prompt(path: Path, prompt_seconds: float, codec: FrameCodec) -> Prompt:
    """The last ``prompt_seconds`` of a recording, at the codec's rate.

    What its owner should know of how it was read is printed as warnings. Raises
    :class:`UnusableAudio` as :func:`decode_file` and :func:`prompt_from_end` do.
    """
    recording = decode_file(path, codec.sample_rate_hz)
    prompt = prompt_from_end(path, recording.samples, prompt_seconds, codec)
    for note in recording.notes:
        warn(f"{path}: {note}")
    return prompt
