"""The stages between the corpus and training: split, spectrogram, pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from params import write_params
from recordings import music
from soundloom.audio.files import write_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.paths import FRAMES_FOLDER, PAIRS_FOLDER, RAW_FOLDER
from soundloom.corpus.files import read_split, write_manifest
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.pairs.files import PairsFolder
from soundloom.spectral.files import FrameFolder
from soundloom.stages import pairs, spectrogram, split

RATE_HZ = 22_050
N_CLIPS = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as the download stage leaves it: five recordings of four seconds."""
    folder = tmp_path_factory.mktemp("corpus")
    write_params(folder)
    clips = []
    for number in range(N_CLIPS):
        file = f"rock/rock.{number:05d}.wav"
        write_audio(folder / RAW_FOLDER / file, music(4, RATE_HZ, seed=number), RATE_HZ)
        clips.append(Clip(file, f"song {number}", 0, 4 * RATE_HZ, None, None, ""))
    write_manifest(folder / RAW_FOLDER / "manifest.json", Manifest("x", "rock", RATE_HZ, (*clips,)))
    return folder


def run_stages(corpus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Run the three stages on a link to the corpus; returns what they wrote."""
    (folder / "data").mkdir(parents=True)
    (folder / RAW_FOLDER).symlink_to(corpus / RAW_FOLDER)
    (folder / "params.yaml").symlink_to(corpus / "params.yaml")
    monkeypatch.chdir(folder)
    for stage in (split, spectrogram, pairs):
        stage.main()
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"split.by": "time", "split.guard_seconds": 0.1},
         r"split\.by is 'time', with which no train segment is longer than .*guard_seconds"),
        ({"generate.prompt_seconds": 5.0},
         r"no test segment is longer than 4\.00 s; one must have at least 5\.0 s "
         r"\(generate\.prompt_seconds\): leave out shorter recordings \(dataset\.min_clip_seconds"),
    ],
)  # fmt: skip
def test_parts_too_short_to_be_used_are_told_before_training(
    corpus: Path, project: Path, changes: dict[str, Any], error: str
) -> None:
    write_params(project, changes)
    (project / "data").mkdir()
    (project / RAW_FOLDER).symlink_to(corpus / RAW_FOLDER)
    with pytest.raises(SoundloomError, match=error):
        split.main()
    assert not (project / "data/split.json").exists()


@pytest.mark.slow
def test_from_clips_to_windows_the_same_bytes_anywhere(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = run_stages(corpus, tmp_path / "here", monkeypatch)
    printed = capsys.readouterr().out
    assert "split by recording: 12 s train, 4 s validation, 4 s test" in printed
    # 4 s are 345 frames, and windows of 33 start every 16.
    assert "windows of 32 frames: 60 train, 20 validation, 20 test" in printed

    frames = FrameFolder(FRAMES_FOLDER)
    codec = frames.read_codec()
    assert {segment.part for segment in read_split()} == {"train", "validation", "test"}
    for segment in read_split():
        found = frames.read(segment.clip)
        assert found.shape == (345, codec.config.n_bins)
        assert segment.part != "train" or 0.0 <= found.min() < 0.2 < found.max() <= 1.0
    (batch,) = (
        PairsFolder(PAIRS_FOLDER, frames.read).batches("test", batch_size=64, seed=0).epoch(0)
    )
    assert batch.shape == (20, 33, codec.config.n_bins)
    numbers = json.loads(here["metrics/spectrogram.json"])
    assert numbers["n_clips"] == N_CLIPS
    assert numbers["n_frames"] == N_CLIPS * 345

    assert run_stages(corpus, tmp_path / "there", monkeypatch) == here
    assert not any(str(tmp_path).encode() in content for content in here.values())
