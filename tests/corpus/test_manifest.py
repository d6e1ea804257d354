"""The manifest: clips found by name, and what is known of the music that others come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundloom.corpus.files import read_manifest, write_manifest
from soundloom.corpus.manifest import Clip, Manifest, Rejected

RIFF = {"tempo_bpm": 120.0, "key": "E minor"}


def clip(file: str, truth: dict[str, object] | None = None) -> Clip:
    return Clip(file, "a song", 0, 1000, None, None, "0" * 64, truth)


@pytest.fixture
def manifest() -> Manifest:
    clips = (clip("rock/rock.00000.wav", RIFF), clip("rock/rock.00001.wav"))
    return Manifest("folder", "rock", 22_050, clips, (Rejected("noise.wav", "silent"),))


def test_clips_are_found_by_name(manifest: Manifest) -> None:
    assert list(manifest.by_name) == ["rock.00000", "rock.00001"]
    assert manifest.by_name["rock.00001"] is manifest.clips[1]


def test_truths_are_of_what_comes_from_clips_that_are_known(manifest: Manifest) -> None:
    clip_of = {"one": "rock.00001", "two": "rock.00000", "own": None, "gone": "rock.00009"}
    assert manifest.truths(clip_of) == {"two": RIFF}
    assert manifest.truths({}) == {}


def test_a_manifest_read_back_is_the_same(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
