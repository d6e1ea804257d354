"""Splits: nothing shared between parts, the shares asked for, the same again for a seed."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.common.paths import SPLIT_FILE
from soundloom.corpus.config import SplitConfig
from soundloom.corpus.files import read_part, read_split, write_split
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import (
    Part,
    Segment,
    parse_segment_name,
    require_lengths,
    runs_on_end,
    split_clips,
)

RATE_HZ = 1000


def split_config(**changes: Any) -> SplitConfig:
    values: dict[str, Any] = {
        "by": "recording",
        "validation_fraction": 0.1,
        "test_fraction": 0.15,
        "guard_seconds": 1.0,
        "seed": 0,
    }
    return SplitConfig.model_validate(values | changes)


def make_clips(n_recordings: int, clips_each: int = 2, n_artists: int = 4) -> list[Clip]:
    return [
        Clip(
            file=f"rock/rock.{recording * clips_each + number:05d}.wav",
            recording=f"song {recording}",
            offset_samples=number * 30 * RATE_HZ,
            n_samples=30 * RATE_HZ,
            artist=f"artist {recording % n_artists}",
            licence=None,
            sha256="",
        )
        for recording in range(n_recordings)
        for number in range(clips_each)
    ]


@pytest.mark.parametrize("by", ["artist", "recording"])
@given(n_recordings=st.integers(4, 40), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_groups_never_straddle_parts(by: str, n_recordings: int, seed: int) -> None:
    clips = make_clips(n_recordings)
    segments = split_clips(clips, split_config(by=by, seed=seed), 0)
    group = {clip.name: getattr(clip, by) for clip in clips}
    parts = defaultdict(set)
    for segment in segments:
        parts[group[segment.clip]].add(segment.part)
    assert all(len(found) == 1 for found in parts.values())
    assert {part for found in parts.values() for part in found} == {"train", "validation", "test"}
    assert sorted(segment.clip for segment in segments) == sorted(group)


def test_shares_of_recordings() -> None:
    segments = split_clips(make_clips(40), split_config(by="recording", test_fraction=0.1), 0)
    count = {
        part: sum(segment.part == part for segment in segments)
        for part in ("train", "validation", "test")
    }
    assert count == {"train": 64, "validation": 8, "test": 8}


def test_a_seed_gives_the_same_split_and_another_another() -> None:
    clips = make_clips(20)
    for by in ("recording", "time"):
        first = split_clips(clips, split_config(by=by), 100)
        assert split_clips(clips, split_config(by=by), 100) == first
        assert split_clips(clips, split_config(by=by, seed=1), 100) != first


@given(seed=st.integers(0, 2**32 - 1), guard=st.integers(0, 2000))
@settings(max_examples=30, deadline=None)
def test_in_time_parts_keep_their_distance(seed: int, guard: int) -> None:
    clips = make_clips(3, clips_each=4)
    segments = split_clips(clips, split_config(by="time", seed=seed), guard)
    offset = {clip.name: (clip.recording, clip.offset_samples) for clip in clips}
    used = defaultdict(list)
    for segment in segments:
        recording, start = offset[segment.clip]
        assert 0 <= segment.start_sample < segment.end_sample <= 30 * RATE_HZ
        used[recording].append(
            (start + segment.start_sample, start + segment.end_sample, segment.part)
        )
    assert len(used) == 3
    for spans in used.values():
        spans.sort()
        assert {part for _, _, part in spans} == {"train", "validation", "test"}
        for (_, end, part), (start, _, next_part) in pairwise(spans):
            # Clips of one part touch; between parts lies the guard.
            assert start - end >= (guard if part != next_part else 0)


def test_shares_in_time() -> None:
    segments = split_clips(make_clips(5, 4), split_config(by="time", test_fraction=0.1), 1000)
    total = 5 * 4 * 30 * RATE_HZ
    for part in ("validation", "test"):
        held_out = sum(segment.n_samples for segment in segments if segment.part == part)
        assert held_out == pytest.approx(0.1 * total, rel=0.01)


def test_too_few_to_keep_apart() -> None:
    with pytest.raises(SoundloomError, match=r"the corpus has 2 recording.*split.by: time"):
        split_clips(make_clips(2), split_config(by="recording", test_fraction=0.1), 0)


def test_recordings_too_short_for_every_part() -> None:
    config = split_config(by="time", guard_seconds=60.0)
    with pytest.raises(
        SoundloomError, match=r"split\.guard_seconds is 60\.0; .* leave the train part"
    ):
        split_clips(make_clips(4), config, 60 * RATE_HZ)


def test_unknown_artists_cannot_be_kept_apart() -> None:
    (first, *others) = make_clips(5)
    nameless = Clip(**{**first.__dict__, "artist": None})
    with pytest.raises(SoundloomError, match="artist of 'song 0' is not known"):
        split_clips([nameless, *others], split_config(by="artist"), 0)


def test_a_part_whose_segments_are_all_too_short_is_told_with_what_asks_for_more() -> None:
    segments = [
        Segment("rock.00000", 0, 5000, "train"),
        Segment("rock.00000", 5000, 5900, "test"),
        Segment("rock.00001", 0, 3000, "test"),
    ]
    wanted: dict[tuple[Part, str], float] = {("train", "a window"): 5.0, ("test", "a window"): 3.0}
    require_lengths(segments, wanted, "time", RATE_HZ)
    with pytest.raises(SoundloomError) as told:
        require_lengths(segments[:2], wanted, "time", RATE_HZ)
    assert str(told.value) == (
        "split.by is 'time', with which no test segment is longer than 0.90 s; one must have at "
        "least 3.0 s (a window): raise split.test_fraction, or use split.by: recording"
    )
    with pytest.raises(SoundloomError, match=r"no train .*dataset\.min_clip_seconds"):
        require_lengths(segments[1:], wanted, "artist", RATE_HZ)


def test_a_split_survives_its_file(tmp_path: Path) -> None:
    segments = [Segment("rock.00000", 0, 10, "train"), Segment("rock.00001", 5, 9, "test")]
    write_split(tmp_path / "split.json", segments)
    assert read_split(tmp_path / "split.json") == segments


@pytest.mark.usefixtures("project")
def test_a_part_is_its_segments() -> None:
    segments = [Segment("rock.00000", 0, 10, "train"), Segment("rock.00001", 5, 9, "test")]
    write_split(SPLIT_FILE, segments)
    assert read_part("test") == segments[1:]
    assert read_part("validation") == []


def test_segments_without_a_gap_are_a_run() -> None:
    clips = {clip.name: clip for clip in make_clips(2, clips_each=3)}
    length = 30 * RATE_HZ
    first, second, third, other, *_ = clips
    segments = [
        Segment(other, 0, length, "train"),
        Segment(third, 10, length, "train"),
        Segment(second, 0, length, "train"),
        Segment(first, 20, length, "train"),
    ]
    # That of the third clip lacks its beginning, and the other song is another recording.
    of_other, of_third, of_second, of_first = segments
    assert runs_on_end(segments, clips, 0) == [[of_first, of_second], [of_third], [of_other]]
    assert runs_on_end(segments, clips, length) == [[of_first, of_second], [of_other]]


def test_a_segments_name_says_where_it_begins() -> None:
    segment = Segment("rock@home.00003", 4410, 9000, "test")
    assert parse_segment_name(segment.name) == ("rock@home.00003", 4410)
