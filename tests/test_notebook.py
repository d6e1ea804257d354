"""notebooks/quickstart.ipynb: its cells run in order, and do what the words between them say.

By plain Python, as the cells hold nothing of Jupyter's own: it need not be installed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from typing import Any

import numpy as np
import pytest
import soundfile

from params import REPOSITORY
from soundloom.common.params import parse_yaml
from soundloom.spectral.movement import frame_change

pytestmark = pytest.mark.slow

NOTEBOOK = REPOSITORY / "notebooks/quickstart.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
WORDS = "\n\n".join("".join(c["source"]) for c in CELLS if c["cell_type"] == "markdown")


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the cells leave behind, run in an empty folder; ``out`` is the folder they wrote to."""
    folder = tmp_path_factory.mktemp("notebook")
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        for cell in CELLS:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return names | {"out": folder / names["out"]}


def test_it_is_kept_without_outputs() -> None:
    for cell in CELLS:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_what_it_refers_to_exists() -> None:
    pages = re.findall(r"\]\((\S+?)\)", WORDS)
    modules = re.findall(r"`([a-z_]+/(?:[a-z_]+\.py)?)`", WORDS)
    assert len(pages) >= 3
    assert len(modules) >= 10
    for page in pages:
        assert (NOTEBOOK.parent / page).is_file(), page
    for module in modules:
        assert (REPOSITORY / "src/soundloom" / module).exists(), module


def test_its_settings_are_those_of_its_command(after: dict[str, Any]) -> None:
    (command,) = re.findall(r"```\n(dvc exp run .+?)\n```", WORDS, re.DOTALL)
    words = shlex.split(command.replace("\\\n", ""))
    assert words[:3] == ["dvc", "exp", "run"]
    assert set(words[3::2]) == {"-S"}
    asked = dict(word.split("=") for word in words[4::2])
    assert {key: parse_yaml(value) for key, value in asked.items()} == after["NOTEBOOK"]
    after["defaults"].with_changes(after["NOTEBOOK"], "the command")


def test_training_goes_down_on_music_it_has(after: dict[str, Any]) -> None:
    losses = [row["loss"] for row in after["history"]]
    assert losses == sorted(losses, reverse=True)


def test_the_continuation_is_audio_and_a_drone_without_chance(after: dict[str, Any]) -> None:
    for temperature in (0.0, 0.7):
        info = soundfile.info(after["out"] / f"continued_{temperature}.wav")
        assert (info.samplerate, info.frames) == (44_100, 3 * 44_100)
    drone, drawn = (frame_change(after["made"][t].frames) for t in (0.0, 0.7))
    prompt = frame_change(after["codec"].encode(after["prompt"]))
    assert drone < 0.1 * prompt
    assert drone < 0.1 * drawn


def test_the_same_frames_are_milliseconds_of_noise_or_seconds_of_sound(
    after: dict[str, Any],
) -> None:
    samples, rate_hz = soundfile.read(after["out"] / "as_written.wav")
    assert round(1000 * len(samples) / rate_hz, 1) == 1.5
    assert len(after["decoded"]) == 63 * 512
    assert np.abs(after["decoded"]).max() > 0.01


def test_what_it_shows_is_within_the_page(after: dict[str, Any]) -> None:
    song, picture = (
        after["Show"](after["out"] / f"song.{ending}")._repr_html_() for ending in ("wav", "png")
    )
    assert song.startswith('<audio controls src="data:audio/wav;base64,UklGR')
    assert picture.startswith('<img src="data:image/png;base64,iVBOR')
