"""Stage ``download`` as DVC runs it, on a folder of files odd in every way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import soundfile

from params import REPOSITORY
from recordings import ODD_AND_UNUSABLE, ODD_BUT_USABLE, TRUNCATED_BUT_USABLE
from soundloom.audio.files import read_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.paths import MANIFEST_FILE, RAW_FOLDER
from soundloom.corpus.files import read_manifest
from soundloom.ingest.collection import Collection
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources import folder
from soundloom.stages import download

Save = Callable[[dict[str, Any]], None]


@pytest.fixture
def params(params: dict[str, Any]) -> dict[str, Any]:
    """As in all tests, but for clips long enough to hold the recordings here whole."""
    params["dataset"] |= {"min_clip_seconds": 6.0, "clip_seconds": 30.0}
    return params


def run_stage() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "src" / "stage.py"), "download"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_odd_recordings_become_uniform_clips(
    project: Path, save_params: Save, params: dict[str, Any], odd_recordings: Path
) -> None:
    params["dataset"] |= {"source": "folder", "folder": {"path": str(odd_recordings)}}
    save_params(params)

    result = run_stage()

    assert result.returncode == 0, result.stderr
    n_usable = len(ODD_BUT_USABLE) + 1
    expected = f"{n_usable} clips of up to 30.0 s from {n_usable} recordings (8 rejected)\n"
    assert result.stdout == expected
    assert "rejected: empty.wav: empty file" in result.stderr
    assert "3 more; `download` lists all in data/raw/manifest.json" in result.stderr
    assert f"{n_usable + 8}/{n_usable + 8}" in result.stderr  # the progress bar's end

    manifest = read_manifest()
    assert {clip.recording for clip in manifest.clips} == {*ODD_BUT_USABLE, TRUNCATED_BUT_USABLE}
    for clip in manifest.clips:
        info = soundfile.info(RAW_FOLDER / clip.file)
        assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
        assert info.frames == clip.n_samples
        clip_samples = read_audio(RAW_FOLDER / clip.file, 22_050)
        original = read_audio(odd_recordings / clip.recording, 22_050)
        np.testing.assert_allclose(clip_samples, original, atol=1e-4)
    reasons = {entry.file: entry.reason for entry in manifest.rejected}
    assert reasons.keys() == ODD_AND_UNUSABLE.keys()
    for name, reason in ODD_AND_UNUSABLE.items():
        assert reason in reasons[name]
    text = MANIFEST_FILE.read_text(encoding="utf-8")
    assert str(odd_recordings) not in text
    assert str(project) not in text

    first = contents(RAW_FOLDER)
    with joblib.parallel_config(backend="threading"):
        download.main()
    assert contents(RAW_FOLDER) == first


@pytest.mark.slow
def test_dvc_passes_over_names_that_are_not_utf8(project: Path) -> None:
    dvc = partial(subprocess.run, capture_output=True, encoding="utf-8", check=False)
    assert dvc(["dvc", "init", "--quiet", "--no-scm"]).returncode == 0
    Path(".dvcignore").write_bytes((REPOSITORY / ".dvcignore").read_bytes())
    for name in ("mine/é 日本 \U0001f3b8.wav".encode(), b"mine/caf\xe9.wav", b"mine/d\xe9/vu.wav"):
        path = Path(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"-")
    added = dvc(["dvc", "add", "mine"])
    assert added.returncode == 0, added.stderr
    assert "nfiles: 1" in Path("mine.dvc").read_text()


def test_a_name_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    download.show("rejected", ["a\nb \x1b[31mred \udce9 é.wav: silent"])
    assert capsys.readouterr().err == "rejected: a\\nb \\x1b[31mred \\udce9 é.wav: silent\n"


@pytest.mark.usefixtures("threads_for_processes")
def test_a_failing_run_leaves_what_was_there_and_nothing_else(
    project: Path, save_params: Save, params: dict[str, Any], odd_recordings: Path
) -> None:
    RAW_FOLDER.mkdir(parents=True)
    (RAW_FOLDER / "kept.wav").write_bytes(b"kept")
    few = str(odd_recordings / "24 bit")
    params["dataset"] |= {"source": "folder", "folder": {"path": few}}
    save_params(params)
    with pytest.raises(SoundloomError, match=r"is 2, but usable clips .* are 1, of 1 rec"):
        download.main()
    assert contents(project / "data") == {"raw/kept.wav": b"kept"}


@pytest.mark.usefixtures("threads_for_processes")
def test_licence_texts_are_kept_beside_the_clips(
    project: Path,
    save_params: Save,
    params: dict[str, Any],
    odd_recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collect = folder.collect

    def collect_licensed(config: DatasetConfig, work: Path) -> Collection:
        return replace(collect(config, work), licences={"some-songs": "Do as you like.\n"})

    monkeypatch.setattr(folder, "collect", collect_licensed)
    params["dataset"] |= {"source": "folder", "folder": {"path": str(odd_recordings)}}
    params["dataset"]["min_clips"] = 1
    save_params(params)
    download.main()
    assert (RAW_FOLDER / "licences" / "some-songs.txt").read_text() == "Do as you like.\n"


@pytest.mark.usefixtures("threads_for_processes")
def test_the_builtin_corpus_is_cut_to_whole_clips(
    project: Path, save_params: Save, params: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    params["dataset"] |= {"clip_seconds": 6.0, "sample_rate_hz": 8_000}
    params["dataset"]["builtin"]["n_tracks"] = 2
    save_params(params)
    download.main()
    manifest = read_manifest()
    assert manifest.clips[0].truth
    assert capsys.readouterr().out == "2 clips of 6.0 s from 2 recordings (0 rejected)\n"


def test_a_wrong_parameter_ends_the_stage_in_one_line(
    project: Path, save_params: Save, params: dict[str, Any]
) -> None:
    params["dataset"]["source"] = "vinyl"
    save_params(params)
    result = run_stage()
    assert result.returncode == 1
    assert result.stderr.startswith("soundloom: error: params.yaml: dataset.source is 'vinyl'")
    assert result.stderr.count("\n") == 1
