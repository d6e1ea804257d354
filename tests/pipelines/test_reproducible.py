"""The same commit, parameters and recordings give the same bytes, wherever they are run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile
import yaml

from projects import ODD_NAME, Project
from recordings import ODD_AND_UNUSABLE, ODD_BUT_USABLE, TRUNCATED_BUT_USABLE

# Stages in one process, which spares most of what they take here: starting Keras and Numba.
BUILD = """
import os, sys
sys.path.insert(0, "src")
import stage
os.umask(0o077)
for name in sys.argv[1:]:
    sys.argv = ["stage.py", name]
    stage.main()
"""
# What differs from one machine and user to the next, and must change nothing.
ELSEWHERE = {
    "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "USER": "someone", "LOGNAME": "someone",
    "PYTHONHASHSEED": "7", "LOKY_MAX_CPU_COUNT": "1", "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3",
}  # fmt: skip
AS_FAR_AS_AUDIO = ("download", "split", "spectrogram", "pairs", "train", "generate")
OF_A_FOLDER = {
    "dataset.source": "folder",
    "dataset.min_clip_seconds": 3.0,
    "model.name": "lstm",
    "pairs.format": "tfrecord",
    "spectrogram.kind": "stft",
    "spectrogram.n_fft": 256,
    "spectrogram.hop_samples": 128,
    "dataset.channels": 2,
}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone, on what might be another machine."""
    project = Project.copy(tmp_path_factory.mktemp("elsewhere") / ODD_NAME)
    project.environment |= ELSEWHERE
    return project


def build(project: Project, stages: Sequence[str]) -> None:
    """Run stages, and have DVC lock them as if it had."""
    project.run(sys.executable, "-c", BUILD, *stages)
    project.run("dvc", "commit", "--force", *stages)


def results(project: Project, stages: Sequence[str]) -> dict[str, object]:
    """What DVC locked of some stages, and their metrics."""
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    files = [out["path"] for stage in stages for out in lock[stage]["outs"]]
    metrics = [path for path in files if path.startswith("metrics/")]
    locked: dict[str, object] = {stage: lock[stage] for stage in stages}
    return locked | {path: (project.folder / path).read_bytes() for path in metrics}


def test_the_default_corpus_and_model(elsewhere: Project, request: pytest.FixtureRequest) -> None:
    stages = [stage for stage in elsewhere.stages() if stage != "track"]
    build(elsewhere, stages)
    # Only now, as it may have to wait until another worker has built it.
    built_project: Project = request.getfixturevalue("built_project")
    assert results(elsewhere, stages) == results(built_project, stages)


def test_a_folder_of_odd_recordings_and_the_notebooks_model(
    workspace: Project, elsewhere: Project, odd_recordings: Path
) -> None:
    for project in (workspace, elsewhere):
        copy_recordings(odd_recordings, project, reverse=project is elsewhere)
        project.change(OF_A_FOLDER)
        build(project, AS_FAR_AS_AUDIO)
    manifest = json.loads((workspace.folder / "data/raw/manifest.json").read_text(encoding="utf-8"))
    used = {clip["recording"] for clip in manifest["clips"]}
    assert used == {*ODD_BUT_USABLE, TRUNCATED_BUT_USABLE}
    assert {entry["file"] for entry in manifest["rejected"]} == set(ODD_AND_UNUSABLE)
    samples = workspace.folder / "data/generated/samples"
    assert soundfile.info(samples / "sample_01.wav").channels == 2
    assert results(elsewhere, AS_FAR_AS_AUDIO) == results(workspace, AS_FAR_AS_AUDIO)


def copy_recordings(source: Path, project: Project, *, reverse: bool) -> None:
    """Into data/recordings, in order: a file system may list files as they came."""
    for file in sorted(source.rglob("*"), reverse=reverse):
        if file.is_file():
            place = project.folder / "data/recordings" / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
