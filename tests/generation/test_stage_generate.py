"""What the stage continues: held-out audio, but for silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from params import small_config
from recordings import music
from small_models import RATE_HZ, small_codec
from soundloom.audio.files import write_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.paths import MANIFEST_FILE, RAW_FOLDER, SPLIT_FILE
from soundloom.corpus.files import write_manifest, write_split
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.corpus.split import Segment
from soundloom.stages.generate import chosen_prompts


@pytest.mark.usefixtures("project")
def test_silent_prompts_are_left_out_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    audio = {
        "rock/a.wav": music(3, RATE_HZ),
        "rock/b.wav": np.zeros(3 * RATE_HZ, np.float32),
        "rock/c.wav": music(3, RATE_HZ, seed=1),
    }
    clips = tuple(Clip(file, f"song {file}", 0, 3 * RATE_HZ, None, None, "") for file in audio)
    for file, samples in audio.items():
        write_audio(Path(RAW_FOLDER) / file, samples, RATE_HZ)
    write_manifest(MANIFEST_FILE, Manifest("folder", "rock", RATE_HZ, clips))
    config = small_config({"generate.n_samples": 3, "generate.prompt_seconds": 1.0}).generate

    write_split(SPLIT_FILE, [Segment(clip.name, 0, clip.n_samples, "test") for clip in clips])
    prompts = chosen_prompts(config, small_codec())
    assert [prompt.clip for prompt in prompts] == ["a", "c"]
    warnings = capsys.readouterr().err
    assert warnings.startswith("soundloom: warning: rock/b.wav: silent for 1.0 s from 0.50 s")
    assert warnings.count("\n") == 1

    write_split(SPLIT_FILE, [Segment("b", 0, 3 * RATE_HZ, "test")])
    with pytest.raises(SoundloomError, match=r"all 3 prompts of 1\.0 s that generate\.p"):
        chosen_prompts(config, small_codec())


def test_what_is_noted_of_the_users_own_prompt_is_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = np.stack([music(3, RATE_HZ), np.zeros(3 * RATE_HZ, np.float32)], axis=1)
    soundfile.write(project / "riff.wav", both, RATE_HZ)
    config = small_config({"generate.prompt": "riff.wav", "generate.n_samples": 2}).generate
    assert len(chosen_prompts(config, small_codec())) == 2
    warnings = capsys.readouterr().err
    assert warnings.startswith("soundloom: warning: riff.wav: its other channels are empty")
    assert warnings.count("\n") == 1
