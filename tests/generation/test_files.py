"""Prompts read from a file: its end, at the codec's rate, and what is noted of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from recordings import music
from small_models import RATE_HZ, small_codec
from soundloom.generation.files import read_prompt


def test_a_prompt_is_the_end_of_a_file(tmp_path: Path) -> None:
    notes: list[str] = []
    path, samples = tmp_path / "riff.wav", music(3, RATE_HZ)
    both = np.stack([samples, np.zeros_like(samples)], axis=1)
    soundfile.write(path, both, RATE_HZ, subtype="FLOAT")
    prompt = read_prompt(path, 1.0, small_codec(), notes.append)
    assert np.array_equal(prompt.samples, samples[-RATE_HZ:])
    assert (prompt.recording, prompt.offset_seconds, prompt.following) == ("riff.wav", 2.0, None)
    # Without the path: whoever is told knows what the file's owner calls it.
    assert notes == ["its other channels are empty: only channel 1 of 2 is used"]


def test_a_prompt_is_read_in_the_channels_of_the_codec(tmp_path: Path) -> None:
    sides = np.stack([music(1, RATE_HZ, 1), music(1, RATE_HZ, 2)], axis=1)
    soundfile.write(tmp_path / "riff.wav", sides, RATE_HZ, subtype="FLOAT")
    prompt = read_prompt(tmp_path / "riff.wav", 1.0, small_codec(2), print)
    np.testing.assert_array_equal(prompt.samples, sides)
    mono = read_prompt(tmp_path / "riff.wav", 1.0, small_codec(), print)
    np.testing.assert_allclose(mono.samples, sides.mean(axis=1), atol=1e-6)
