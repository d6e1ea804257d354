"""What a song is once it is written: sections, chords, and who plays which note when."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from soundloom.band.lineup import Band
from soundloom.band.theory import Chord
from soundloom.common.pitch import Key

BEATS_PER_BAR = 4
STEPS_PER_BAR = 16
STEPS_PER_BEAT = STEPS_PER_BAR // BEATS_PER_BAR

Touch = Literal["open", "muted", "scratch"]
SectionName = Literal["intro", "verse", "chorus", "solo"]


@dataclass(frozen=True)
class Note:
    """One string struck, or one key pressed.

    ``bend_semitones`` is how far below ``midi`` the string starts before it is pulled up.
    """

    start_seconds: float
    duration_seconds: float
    midi: int
    velocity: float  # 0 to about 1
    touch: Touch = "open"
    bend_semitones: float = 0.0


@dataclass(frozen=True)
class Hit:
    """One hit on a drum or cymbal: ``drum`` names a voice of ``instruments.drum_kit``."""

    start_seconds: float
    velocity: float
    drum: str


@dataclass(frozen=True)
class Section:
    """A few whole bars under one idea; ``harmony`` holds a chord for each bar."""

    name: SectionName
    first_bar: int
    harmony: tuple[Chord, ...]

    @property
    def bars(self) -> range:
        """Bar numbers, from the start of the song."""
        return range(self.first_bar, self.first_bar + len(self.harmony))


@dataclass(frozen=True)
class BeatGrid:
    """Bars and steps → seconds. The tempo never changes; only off-beats may swing."""

    tempo_bpm: float
    lead_in_seconds: float
    swing: bool

    def seconds(self, bar: int, step: float = 0.0) -> float:
        """When a (fractional) sixteenth of a bar falls; swung, an off-beat comes at 2/3 beat."""
        beat, fraction = divmod(step / STEPS_PER_BEAT, 1.0)
        if self.swing:
            fraction = np.interp(fraction, (0.0, 0.5, 1.0), (0.0, 2 / 3, 1.0))
        beats = bar * BEATS_PER_BAR + beat + float(fraction)
        return self.lead_in_seconds + beats * 60.0 / self.tempo_bpm


@dataclass(frozen=True)
class Song:
    """A finished arrangement. ``left`` and ``right`` are the two takes of the rhythm guitar."""

    band: Band
    key: Key
    grid: BeatGrid
    clip_seconds: float
    sections: tuple[Section, ...]
    left: tuple[Note, ...]
    right: tuple[Note, ...]
    bass: tuple[Note, ...]
    lead: tuple[Note, ...]
    colour: tuple[Note, ...]
    drums: tuple[Hit, ...]

    @property
    def beat_seconds(self) -> list[float]:
        """The beat grid, before the players' human timing."""
        beat = 60.0 / self.grid.tempo_bpm
        n_beats = math.ceil((self.clip_seconds - self.grid.lead_in_seconds) / beat)
        return [self.grid.lead_in_seconds + index * beat for index in range(n_beats)]

    def truth(self) -> dict[str, Any]:
        """Tempo, key, beats, chords and sections, in JSON types; times in s within the clip."""
        bars = [(bar, chord) for section in self.sections
                for bar, chord in zip(section.bars, section.harmony, strict=True)]  # fmt: skip
        changes = [next(same) for _, same in itertools.groupby(bars, key=lambda entry: entry[1])]
        return {
            "tempo_bpm": self.grid.tempo_bpm,
            "key": self.key.name,
            "beat_seconds": [round(second, 4) for second in self.beat_seconds],
            "chords": self._spans([(bar, {"chord": chord.name}) for bar, chord in changes]),
            "sections": self._spans([(s.first_bar, {"section": s.name}) for s in self.sections]),
        }

    def _spans(self, marks: Sequence[tuple[int, dict[str, str]]]) -> list[dict[str, Any]]:
        """Each mark lasts until the next one's bar; the last until the clip ends."""
        starts = [self.grid.seconds(bar) for bar, _ in marks]
        ends = [*starts[1:], self.clip_seconds]
        return [
            {"start_seconds": round(start, 4), "end_seconds": round(min(end, ends[-1]), 4), **what}
            for start, end, (_, what) in zip(starts, ends, marks, strict=True)
            if start < self.clip_seconds
        ]
