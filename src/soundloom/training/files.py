"""Checkpoints: where a training is, kept until it has ended, so that one that was killed goes on.

They lie where DVC tracks nothing, in the main repository: DVC removes a stage's outputs before it
runs, and a temporary workspace goes with its training. Each is a file named by a fingerprint of all
that the training is made of. What the model made of a prompt while it trained lies beside, in a
folder of that name: it cannot be made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import wave
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from soundloom.common.channels import n_channels
from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_arrays, written_aside
from soundloom.common.paths import main_root
from soundloom.training.progress import OnProgress, Progress

# Those of other trainings are kept too, the latest few: one may go back to their parameters.
_MOST = 8


class Kept(NamedTuple):
    """What a checkpoint holds."""

    arrays: dict[str, np.ndarray]
    """``FrameModel.arrays()`` of the model that training began with."""
    progress: Progress


class Checkpoint:
    """The checkpoint of the training with a fingerprint, as :func:`fingerprint_of` makes it."""

    def __init__(self, fingerprint: str):
        self._folder = main_root() / ".dvc" / "tmp" / "soundloom" / "training"
        self._file = self._folder / f"{fingerprint}.npz"
        self._takes = self._file.with_suffix("")

    def has_others(self) -> bool:
        """Whether other trainings left theirs."""
        return bool(self._others())

    def read(self) -> Kept | None:
        """What was written last; None where there is nothing, or nothing that can be read."""
        try:
            arrays = read_arrays(self._file)
            return Kept(
                _named(arrays, "model."),
                Progress(
                    history=json.loads(arrays["history"].tobytes()),
                    state=_listed(arrays, "state."),
                    best_weights=_listed(arrays, "best."),
                ),
            )
        except (SoundloomError, KeyError, ValueError):
            return None

    def writer(self, arrays: Mapping[str, np.ndarray]) -> OnProgress:
        """What writes the progress of a training that began with a model of these ``arrays``."""
        return partial(self._write, arrays)

    def _write(self, arrays: Mapping[str, np.ndarray], progress: Progress) -> None:
        """Replace the file, at once or not at all, also when the power fails."""
        parts = {
            **{f"model.{name}": array for name, array in arrays.items()},
            **{f"state.{number:05d}": array for number, array in enumerate(progress.state)},
            **{f"best.{number:05d}": array for number, array in enumerate(progress.best_weights)},
            "history": np.frombuffer(json.dumps(progress.history).encode(), np.uint8),
        }
        with written_aside(self._file) as aside, aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **parts)
            file.flush()
            os.fsync(file.fileno())
        for old in self._others()[_MOST - 1 :]:
            old.unlink(missing_ok=True)
            shutil.rmtree(old.with_suffix(""), ignore_errors=True)

    def write_take(self, epoch: int, samples: np.ndarray, sample_rate_hz: int) -> Path:
        """Keep samples of an epoch as WAV, mono or stereo, scaled down to what full scale holds."""
        file = self._takes / f"epoch_{epoch:02d}.wav"
        whole = samples / max(float(np.abs(samples).max()), 1.0)
        with written_aside(file) as aside, wave.open(str(aside), "wb") as opened:
            opened.setparams((n_channels(samples), 2, sample_rate_hz, 0, "NONE", ""))
            opened.writeframes(np.rint(32_767 * whole).astype("<i2").tobytes())
        return file

    def takes(self) -> list[Path]:
        """All that were kept, by name."""
        return sorted(self._takes.glob("*.wav"))

    def drop(self) -> None:
        """Remove all of it: its training has ended."""
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self._takes, ignore_errors=True)

    def _others(self) -> list[Path]:
        """Checkpoints of other trainings, the latest first."""
        others = [file for file in self._folder.glob("*.npz") if file != self._file]
        return sorted(others, key=lambda file: file.stat().st_mtime, reverse=True)


def fingerprint_of(dependencies: Sequence[str], settings: Any) -> str:
    """32 hex digits of files, of all that is in folders, and of ``settings`` (JSON types)."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for path in map(Path, dependencies):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            # Python's leavings are no code, as .dvcignore says.
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(os.fsencode(file))
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def _listed(arrays: Mapping[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    named = _named(arrays, prefix)
    return [named[name] for name in sorted(named)]
