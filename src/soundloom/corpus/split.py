"""Which audio is for training, validation and test, decided once and before anything is fitted.

A split is a list of segments of clips. By artist or recording, every segment is a whole clip and
all clips of one artist or recording fall into one part. By time, every recording gives each part a
segment of its own, with a guard gap between them that no part uses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.corpus.config import SplitConfig
from soundloom.corpus.manifest import Clip

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Segment:
    """Samples ``start_sample`` to ``end_sample`` (one past the last) of a clip, for one part."""

    clip: str
    start_sample: int
    end_sample: int
    part: Part

    @property
    def n_samples(self) -> int:
        """Its length."""
        return self.end_sample - self.start_sample

    @property
    def name(self) -> str:
        """``clip@start``, which :func:`parse_segment_name` takes apart."""
        return f"{self.clip}@{self.start_sample}"


def parse_segment_name(name: str) -> tuple[str, int]:
    """Clip and first sample of the segment of this name."""
    clip, _, start_sample = name.rpartition("@")
    return clip, int(start_sample)


def runs_on_end(
    segments: Sequence[Segment], clips: Mapping[str, Clip], shortest_samples: int
) -> list[list[Segment]]:
    """Segments that follow each other without a gap, together, in order of recording and time.

    ``clips`` are those the segments are of, by name. Runs shorter than ``shortest_samples`` in all
    are left out.
    """

    def place(segment: Segment) -> tuple[str, int]:
        clip = clips[segment.clip]
        return clip.recording, clip.offset_samples + segment.start_sample

    runs: list[list[Segment]] = []
    expected = None
    for segment in sorted(segments, key=place):
        recording, start = place(segment)
        if (recording, start) == expected:
            runs[-1].append(segment)
        else:
            runs.append([segment])
        expected = recording, start + segment.n_samples
    return [run for run in runs if sum(part.n_samples for part in run) >= shortest_samples]


def split_clips(clips: Sequence[Clip], config: SplitConfig, guard_samples: int) -> list[Segment]:
    """Give every part its share of the corpus, seeded by ``config.seed``.

    Raises :class:`SoundloomError` when there are too few artists or recordings to keep apart, or
    recordings too short for every part to have audio of them.
    """
    if config.by != "time":
        return _split_by_group(clips, config)
    segments = _split_by_time(clips, config, guard_samples)
    for part in PARTS:
        if not any(segment.part == part for segment in segments):
            raise SoundloomError(
                f"split.guard_seconds is {config.guard_seconds}; with split.by: time, "
                f"validation_fraction {config.validation_fraction} and test_fraction "
                f"{config.test_fraction}, no recording is long enough to leave the {part} part any"
            )
    return segments


def require_lengths(
    segments: Sequence[Segment],
    wanted: Mapping[tuple[Part, str], float],
    by: str,
    sample_rate_hz: int,
) -> None:
    """Check that in each part a segment is as long as is ``wanted``: seconds, by part and by what.

    ``by`` is ``split.by``, with which they were made. Raises :class:`SoundloomError`.
    """
    for (part, wanted_by), least in wanted.items():
        lengths = [segment.n_samples for segment in segments if segment.part == part]
        longest = max(lengths, default=0) / sample_rate_hz
        if longest < least:
            remedy = "leave out shorter recordings (dataset.min_clip_seconds)"
            if by == "time":
                turn = "lower split.guard_seconds"
                if part != "train":
                    turn = f"raise split.{part}_fraction"
                remedy = f"{turn}, or use split.by: recording"
            raise SoundloomError(
                f"split.by is {by!r}, with which no {part} segment is longer than {longest:.2f} s; "
                f"one must have at least {least} s ({wanted_by}): {remedy}"
            )


def _split_by_group(clips: Sequence[Clip], config: SplitConfig) -> list[Segment]:
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        group = clip.artist if config.by == "artist" else clip.recording
        if group is None:
            raise SoundloomError(
                f"split.by is 'artist', but the artist of {clip.recording!r} is not known; "
                "use recording or time"
            )
        groups[group].append(clip)
    if len(groups) < len(PARTS):
        raise SoundloomError(
            f"split.by is {config.by!r}, but the corpus has {len(groups)} "
            f"{config.by}(s); it takes at least {len(PARTS)}, or split.by: time"
        )
    names = sorted(groups)
    np.random.default_rng(config.seed).shuffle(names)
    total = sum(clip.n_samples for clip in clips)
    part_of: dict[str, Part] = {}
    # Held-out parts take whole groups until each has its share, but leave one for every later part.
    shares: list[tuple[Part, float]] = [
        ("test", config.test_fraction), ("validation", config.validation_fraction),
    ]  # fmt: skip
    for parts_after, (part, fraction) in zip((2, 1), shares, strict=True):
        taken = 0
        while taken < fraction * total and len(names) > (parts_after if taken else 0):
            name = names.pop()
            part_of[name] = part
            taken += sum(clip.n_samples for clip in groups[name])
    group_of = {clip.name: name for name, members in groups.items() for clip in members}
    return [
        Segment(clip.name, 0, clip.n_samples, part_of.get(group_of[clip.name], "train"))
        for clip in clips
    ]


def _split_by_time(clips: Sequence[Clip], config: SplitConfig, guard_samples: int) -> list[Segment]:
    recordings: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        recordings[clip.recording].append(clip)
    segments = []
    for number, name in enumerate(sorted(recordings)):
        members = recordings[name]
        start = min(clip.offset_samples for clip in members)
        end = max(clip.offset_samples + clip.n_samples for clip in members)
        rng = np.random.default_rng([config.seed, number])
        for part, part_start, part_end in _held_out_block(start, end, config, guard_samples, rng):
            for clip in members:
                first = max(part_start - clip.offset_samples, 0)
                past_last = min(part_end - clip.offset_samples, clip.n_samples)
                if first < past_last:
                    segments.append(Segment(clip.name, first, past_last, part))
    return segments


def _held_out_block(
    start: int, end: int, config: SplitConfig, guard: int, rng: np.random.Generator
) -> list[tuple[Part, int, int]]:
    """``train | validation | test | train`` with guard gaps, the middle at a random place.

    At a random place, since the ends of songs are untypical of them.
    """
    n_validation = int(config.validation_fraction * (end - start))
    n_test = int(config.test_fraction * (end - start))
    block = n_validation + guard + n_test
    block_start = start + int(rng.integers(0, max(end - start - block, 0) + 1))
    test_start = block_start + n_validation + guard
    return [
        ("train", start, block_start - guard),
        ("validation", block_start, block_start + n_validation),
        ("test", test_start, min(test_start + n_test, end)),
        ("train", test_start + n_test + guard, end),
    ]
