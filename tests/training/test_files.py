"""Checkpoints: read as they were written, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundloom.training.files import Checkpoint, fingerprint_of
from soundloom.training.progress import Progress

ARRAYS = {"extremes": np.arange(4.0), "style_mean": np.zeros((2, 3), np.float32)}
PROGRESS = Progress(
    history=[{"epoch": 1, "loss": 0.1 + 0.2, "val_loss": 1e-17, "learning_rate": 0.004}],
    state=[np.full((3, 2), number, np.float32) for number in range(12)]
    + [np.array(7, np.int64), np.array([3, 2**32 - 1], np.uint32)],
    best_weights=[np.ones(5, np.float32)],
)


@pytest.fixture(autouse=True)
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where checkpoints lie, in the main repository, which is another folder than this."""
    monkeypatch.setenv("DVC_ROOT", str(project.parent))
    return project.parent / ".dvc" / "tmp" / "soundloom" / "training"


def test_what_is_written_is_read_until_it_is_dropped(folder: Path) -> None:
    checkpoint = Checkpoint("a" * 32)
    assert checkpoint.read() is None
    for _ in range(2):
        checkpoint.writer(ARRAYS)(PROGRESS)
    kept = Checkpoint("a" * 32).read()
    assert kept is not None
    assert kept.progress.history == PROGRESS.history
    assert type(kept.progress.history[0]["epoch"]) is int
    for read, written in (
        (list(kept.arrays.values()), list(ARRAYS.values())),
        (kept.progress.state, PROGRESS.state),
        (kept.progress.best_weights, PROGRESS.best_weights),
    ):
        assert [(array.dtype, array.tolist()) for array in read] == [
            (array.dtype, array.tolist()) for array in written
        ]
    assert list(kept.arrays) == list(ARRAYS)
    assert [file.name for file in folder.iterdir()] == [f"{'a' * 32}.npz"]
    checkpoint.drop()
    checkpoint.drop()
    assert checkpoint.read() is None


def test_takes_are_kept_as_wav_beside_it_and_go_with_it(folder: Path) -> None:
    checkpoint = Checkpoint("a")
    assert checkpoint.takes() == []
    wave = np.sin(np.arange(441)).astype(np.float32)
    sides = np.stack([wave, wave / 2], axis=1)
    files = [
        checkpoint.write_take(epoch, take, 22_050)
        for epoch, take in ((6, 0.5 * wave), (12, 3 * sides))
    ]
    checkpoint.writer(ARRAYS)(PROGRESS)
    assert checkpoint.takes() == files
    assert [file.name for file in files] == ["epoch_06.wav", "epoch_12.wav"]
    for file, expected in zip(files, (0.5 * wave, sides / np.abs(wave).max()), strict=True):
        samples, rate_hz = soundfile.read(file, dtype="float32")
        assert rate_hz == 22_050
        np.testing.assert_allclose(samples, expected, atol=1e-4)
    checkpoint.drop()
    assert list(folder.iterdir()) == []


def test_another_training_s_is_not_taken_and_the_latest_few_are_kept(folder: Path) -> None:
    for number in range(10):
        other = Checkpoint(f"{number}")
        assert other.has_others() == (number > 0)
        other.write_take(6, np.zeros(9), 22_050)
        other.writer(ARRAYS)(PROGRESS)
        os.utime(folder / f"{number}.npz", (number, number))
    for left in (folder.glob("*.npz"), (file for file in folder.iterdir() if file.is_dir())):
        assert sorted(int(file.stem) for file in left) == list(range(2, 10))
    assert Checkpoint("0").read() is None
    assert Checkpoint("9").read() is not None


@pytest.mark.parametrize("kept", [0, 3, 0.5, 0.99])
def test_a_damaged_one_is_none(folder: Path, kept: float) -> None:
    Checkpoint("a").writer(ARRAYS)(PROGRESS)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    assert Checkpoint("a").read() is None


def test_any_change_of_files_or_settings_is_another_fingerprint(project: Path) -> None:
    deep = project / "code" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.py").write_text("one")
    (project / "data.npy").write_text("two")

    def now(settings: object = 1.0) -> str:
        return fingerprint_of(["code", "data.npy"], settings)

    found = [now()]
    (deep / "__pycache__").mkdir()
    (deep / "__pycache__" / "a.pyc").write_text("compiled")
    assert now() == found[0]
    assert now(0.5) != found[0]
    (deep / "a.py").write_text("1ne")
    found.append(now())
    (deep / "a.py").rename(deep / "b.py")
    found.append(now())
    (project / "data.npy").write_text("")
    found.append(now())
    assert len(set(found)) == len(found)
