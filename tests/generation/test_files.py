"""Prompts read from a file: its end, at the codec's rate, and what is noted of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from params import small_config
from recordings import music
from small_models import RATE_HZ, built, model_config, small_codec
from soundloom.generation.files import continue_file, read_prompt


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "turns", "section_seconds", "is_told"),
    [
        ("density", 0, 16.0, True), ("lstm", 4, 16.0, True), ("density", 4, 16.0, False),
        ("density", 0, 0.0, False),
    ],
)  # fmt: skip
def test_sections_that_a_model_does_not_know_are_not_passed_over_in_silence(
    tmp_path: Path, name: str, turns: int, section_seconds: float, is_told: bool
) -> None:
    config = model_config(name, turns=turns)
    model = built(config)
    from soundloom.models.files import save_generator

    save_generator(tmp_path, model, small_codec(), config)
    soundfile.write(tmp_path / "riff.wav", music(2, RATE_HZ), RATE_HZ)
    notes: list[str] = []
    wanted = {"generate.section_seconds": section_seconds, "generate.seconds": 3.0}
    asked = small_config(wanted).generate
    continue_file(tmp_path / "riff.wav", tmp_path, asked, tell=notes.append)
    told = "generate.section_seconds is 16.0, but there will be no sections: this model has learned"
    assert [note.startswith(told) for note in notes] == [True] * is_told
