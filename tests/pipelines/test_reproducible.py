"""The same commit, parameters and recordings give the same bytes, wherever they are run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import soundfile

from kills import digest, outs_by_stage
from projects import ODD_NAME, Project
from recordings import ODD_AND_UNUSABLE, ODD_BUT_USABLE, TRUNCATED_BUT_USABLE

# Stages of projects in one process, which spares most of what they take here: starting Keras and
# Numba.
BUILD = """
import os, sys
sys.path.insert(0, os.path.join(sys.argv[1], "src"))
import stage
os.umask(0o077)
for folder, stages in zip(sys.argv[1::2], sys.argv[2::2]):
    os.chdir(folder)
    for name in stages.split():
        sys.argv = ["stage.py", name]
        stage.main()
"""
# What differs from one machine and user to the next, and must change nothing.
ELSEWHERE = {
    "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "USER": "someone", "LOGNAME": "someone",
    "PYTHONHASHSEED": "7", "LOKY_MAX_CPU_COUNT": "1", "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3",
}  # fmt: skip
AS_FAR_AS_AUDIO = "download split spectrogram pairs train generate"
BUT_TRACK = "download explore split spectrogram pairs train generate reference evaluate report"
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
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, odd_recordings: Path
) -> tuple[Project, Project]:
    """Fresh clones on what might be another machine, built: as they are, and of odd recordings."""
    clones = [
        Project.copy(tmp_path_factory.mktemp(name) / ODD_NAME, changes)
        for name, changes in (("as_it_is", None), ("odd", OF_A_FOLDER))
    ]
    default, odd = clones
    default.environment |= ELSEWHERE
    copy_recordings(odd_recordings, odd, reverse=True)
    build((default, BUT_TRACK), (odd, AS_FAR_AS_AUDIO))
    return default, odd


def build(*work: tuple[Project, str]) -> None:
    """Run stages of projects, all in one process and the environment of the first."""
    first, _ = work[0]
    arguments = (argument for project, stages in work for argument in (project.folder, stages))
    first.run(sys.executable, "-c", BUILD, *map(str, arguments))


def results(project: Project, stages: str) -> dict[str, str | None]:
    """Digests of all that some stages leave, by path."""
    outs = outs_by_stage(project)
    found = {
        path: digest(project.folder / path) for stage in stages.split() for path in outs[stage]
    }
    assert None not in found.values()
    return found


def test_the_default_corpus_and_model(
    elsewhere: tuple[Project, Project], request: pytest.FixtureRequest
) -> None:
    default, _ = elsewhere
    assert set(BUT_TRACK.split()) == set(default.stages()) - {"track"}
    # Only now, as it may have to wait until another worker has built it.
    built_project: Project = request.getfixturevalue("built_project")
    assert results(default, BUT_TRACK) == results(built_project, BUT_TRACK)


def test_a_folder_of_odd_recordings_and_the_notebooks_model(
    elsewhere: tuple[Project, Project], workspace: Project, odd_recordings: Path
) -> None:
    _, odd = elsewhere
    copy_recordings(odd_recordings, workspace, reverse=False)
    workspace.change(OF_A_FOLDER)
    build((workspace, AS_FAR_AS_AUDIO))
    manifest = json.loads((workspace.folder / "data/raw/manifest.json").read_text(encoding="utf-8"))
    used = {clip["recording"] for clip in manifest["clips"]}
    assert used == {*ODD_BUT_USABLE, TRUNCATED_BUT_USABLE}
    assert {entry["file"] for entry in manifest["rejected"]} == set(ODD_AND_UNUSABLE)
    samples = workspace.folder / "data/generated/samples"
    assert soundfile.info(samples / "sample_01.wav").channels == 2
    assert results(odd, AS_FAR_AS_AUDIO) == results(workspace, AS_FAR_AS_AUDIO)


def copy_recordings(source: Path, project: Project, *, reverse: bool) -> None:
    """Into data/recordings, in order: a file system may list files as they came."""
    for file in sorted(source.rglob("*"), reverse=reverse):
        if file.is_file():
            place = project.folder / "data/recordings" / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
