"""Which params suit recordings: those of the documented commands, and what fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from params import REPOSITORY, small_config
from soundloom.commands.suggestions import SHORT_WINDOWS, Suggestion, label_of, suggest
from soundloom.common.errors import SoundloomError
from soundloom.common.params import parse_yaml
from soundloom.config import Config
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.ingest.clips import clip_slices

RATE_HZ = 22_050


def manifest_of(seconds: Sequence[float], artists: Sequence[str | None] = ()) -> Manifest:
    """Recordings of these lengths, cut as ``SHORT_WINDOWS`` has them cut."""
    clips: list[Clip] = []
    for number, length in enumerate(seconds):
        for part in clip_slices(round(length * RATE_HZ), 30 * RATE_HZ, 6 * RATE_HZ):
            clips.append(
                Clip(
                    file=f"x/x.{len(clips):05d}.wav",
                    recording=f"song {number}",
                    offset_samples=part.start,
                    n_samples=part.stop - part.start,
                    artist=artists[number] if artists else None,
                    licence=None,
                    sha256="",
                )
            )
    return Manifest("folder", "x", RATE_HZ, tuple(clips))


def config(**changes: Any) -> Config:
    """As ``soundloom new`` asks with it: the sizes of the real params.yaml, where they matter."""
    sizes = {"dataset.source": "folder", "dataset.clip_seconds": 30.0, "generate.seconds": 60.0}
    return small_config({**sizes, **SHORT_WINDOWS, **changes})


def suggested(seconds: Sequence[float], artists: Sequence[str | None] = ()) -> Suggestion:
    return suggest(manifest_of(seconds, artists), config(), from_base=True)


def test_eight_songs_get_the_rock_command() -> None:
    results = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    command = re.search(r"dvc exp run (-S dataset\.source=debian -S split(?:.|\n)+?)```", results)
    assert command
    settings = re.findall(r"-S '?([\w.]+)=(\[.+?\]|\S+?)'?\s", command[1])
    wanted = {key: parse_yaml(value) for key, value in settings if key != "dataset.source"}
    assert len(wanted) == 17
    assert suggested([225.0] * 8).changes == wanted


def test_many_tracks_get_long_windows() -> None:
    changes = suggested([30.0] * 64).changes
    assert changes["split.by"] == "recording"
    assert changes["pairs.window_frames"] == 1024
    assert changes["generate.prompt_seconds"] == 20.0
    assert changes["train.epochs"] == 13


@pytest.mark.parametrize(("minutes", "epochs", "passes"), [(10, 14, 8), (60, 7, 3), (600, 5, 3)])
def test_more_audio_is_gone_through_less_often(minutes: int, epochs: int, passes: int) -> None:
    suggestion = suggested([60.0 * minutes / 20] * 20)
    assert suggestion.changes["train.epochs"] == epochs
    assert suggestion.changes["model.latents.detail_epochs"] == passes


def test_frames_that_the_base_does_not_know_are_learnt_from_nothing() -> None:
    changes = suggest(manifest_of([225.0] * 8), config(), from_base=False).changes
    assert changes["model.base"] == "none"
    assert changes["train.epochs"] == 45
    assert changes.keys() == suggested([225.0] * 8).changes.keys()


def test_artists_are_kept_apart_where_there_are_enough_and_all_are_known() -> None:
    artists = [f"artist {number // 2}" for number in range(24)]
    assert suggested([120.0] * 24, artists).changes["split.by"] == "artist"
    assert suggested([120.0] * 24, [None, *artists[1:]]).changes["split.by"] == "recording"
    assert suggested([120.0] * 24, artists[:12] * 2).changes["split.by"] == "recording"


@pytest.mark.parametrize(
    ("seconds", "by", "window_frames", "prompt_seconds"),
    [
        ([8.0] * 12, "recording", 512, 3.0),
        ([19.0] * 12, "recording", 1024, 15.0),
        ([8.0] * 30 + [29.0], "recording", 512, 3.0),
        ([20.0] * 5, "recording", 512, 15.0),  # two seconds of each would be no validation
        ([45.0] * 5, "recording", 512, 15.0),  # of 4.5 s no window
        ([80.0] * 5, "time", 512, 6.0),
        ([3600.0] * 4, "time", 1024, 20.0),
        ([1200.0], "time", 512, 15.0),
    ],
)
def test_splits_windows_and_prompts_are_such_as_fit(
    seconds: list[float], by: str, window_frames: int, prompt_seconds: float
) -> None:
    suggestion = suggested(seconds)
    found = [
        suggestion.changes[key]
        for key in ("split.by", "pairs.window_frames", "generate.prompt_seconds")
    ]
    assert found == [by, window_frames, prompt_seconds]
    assert all(suggestion.seconds.values())
    assert suggestion.n_frames > 0


@pytest.mark.parametrize("seconds", [[], [20.0], [20.0, 20.0], [8.0] * 2])
def test_too_little_is_said_before_any_training(seconds: list[float]) -> None:
    with pytest.raises(SoundloomError, match=rf"{sum(seconds):.0f} s of usable audio in"):
        suggested(seconds)


def test_what_was_set_for_other_recordings_makes_no_difference() -> None:
    songs = manifest_of([30.0] * 64)
    few = suggest(manifest_of([225.0] * 8), config(), from_base=True)
    for begun in (True, False):
        again = suggest(songs, few.config, from_base=begun).changes
        assert again == suggest(songs, config(), from_base=begun).changes


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("rock", "rock"),
        ("My Band (live)", "my-band-live"),
        ("Motörhead", "motorhead"),
        ("-live-", "live"),
        ("日本", "music"),
        ("..", "music"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_label_is_made_of_the_folders_name(name: str, label: str) -> None:
    assert label_of(name) == label
    small_config({"dataset.genre": label})
