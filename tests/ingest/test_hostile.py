"""A few of the files that ``bench/hostile_audio.py`` reads thousands of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hostile import (
    GOOD,
    MAX_UNPACKED_BYTES,
    hostile_audio,
    hostile_package,
    hostile_zips,
    read_archive,
    read_audio,
)
from soundloom.ingest.sources import files


def test_damaged_audio_is_read_right_or_refused_with_a_reason(tmp_path: Path) -> None:
    path, results = tmp_path / "damaged.audio", []
    for label, content in hostile_audio(seed=7, n_files=125, seconds=0.1):
        path.write_bytes(content)
        outcome = read_audio(path)
        assert outcome["result"] in GOOD, (label, outcome)
        results.append(outcome["result"])
    assert 30 < results.count("refused") < 95


def test_hostile_archives_are_unpacked_in_their_folder_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", MAX_UNPACKED_BYTES)
    for number, (label, content) in enumerate(hostile_zips(seed=7, n_files=20)):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        outcome = read_archive(path)
        assert outcome["result"] in GOOD, (label, outcome)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="this system has no dpkg-deb")
def test_hostile_packages_are_unpacked_in_their_folder_or_refused(tmp_path: Path) -> None:
    for seed in range(4):
        path = tmp_path / f"hostile{seed}_1_all.deb"
        path.write_bytes(hostile_package(seed))
        outcome = read_archive(path)
        assert outcome["result"] in GOOD, (seed, outcome)
