"""Song writing: ``(seed, track_index)`` → who plays which note when. Pure data, no sound.

Rhythms are strings of sixteen sixteenths, one 4/4 bar. ``.`` lets the last symbol ring on and
``-`` silences it; the other symbols are

* guitars: ``O`` a chord that rings, ``o`` a short one, ``m`` a palm-muted chug, ``x`` a scratch;
* riffs, bass and lead: ``n`` a note;
* drums: ``x`` a hit; in fills ``s`` snare, ``h m f`` high, middle and floor tom.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from soundloom.band.lineup import BANDS, Band
from soundloom.band.score import (
    STEPS_PER_BAR,
    STEPS_PER_BEAT,
    BeatGrid,
    Hit,
    Note,
    Section,
    SectionName,
    Song,
)
from soundloom.band.theory import (
    PROGRESSIONS,
    lowest_at_least,
    pentatonic,
    power_chord,
    scale_step_below,
    triad,
)
from soundloom.common.pitch import Key

T = TypeVar("T")
Event = TypeVar("Event", Note, Hit)


@dataclass(frozen=True)
class Groove:
    """What the drummer's feet and left hand repeat each bar."""

    kick: str
    snare: str
    swing: bool = False


GROOVES = {
    "straight": Groove("x.....x.x.x.....", "....x.......x..."),
    "driving": Groove("x.x...x.x.x...x.", "....x.......x..."),
    "syncopated": Groove("x..x....x.x..x..", "....x.......x..."),
    "four on the floor": Groove("x...x...x...x...", "....x.......x..."),
    "gallop": Groove("x.xxx.xxx.xxx.xx", "....x.......x..."),
    "double time": Groove("x...x...x...x...", "..x...x...x...x."),
    "half time": Groove("x.....x...x...x.", "........x......."),
    "shuffle": Groove("x.....x.x.......", "....x.......x...", swing=True),
}

FORMS: tuple[tuple[SectionName, ...], ...] = (
    ("intro", "verse", "chorus", "solo", "chorus"),
    ("intro", "verse", "chorus", "verse", "solo"),
    ("intro", "verse", "solo", "chorus", "verse"),
    ("intro", "chorus", "verse", "solo", "chorus"),
)

RIFF_RHYTHMS = (
    "n.n.n.--n.n.nn--",
    "n..n..n.n...n.n.",
    "n.nnn.nnn.n.n.n.",
    "n.n.n.n.n...n...",
    "n...n.n.--n.n.n.",
    "n.n.--n.n.n.--n.",
)

LEAD_RHYTHMS = (
    "n.n.n.n.n.n.n...",
    "n...n.nnn.n.n...",
    "nnnnn.n.nnnnn...",
    "n.....n.n...n...",
    "n.nnn.nnn.nnn...",
    "--n.n.n.n.....n.",
    "n.......n.n.n.n.",
)

BASS_RHYTHMS = ("n.n.n.n.n.n.n.n.", "n...n.n.n...n.n.", "n.....n.n.....n.", "kick", "octaves")

# The last two beats of a section; even steps only, or sixteenths where the groove is straight.
SWUNG_FILLS = ("s.h.m.f.", "s.s.s.s.", "h.h.m.f.", "--s.h.f.")
STRAIGHT_FILLS = ("s.ssh.mf", "hhmmffss", "ssssssss", "ssh.mmf.", "..s.s.ss", "s.shh.mf")
FILL_VOICES = {"s": "snare", "h": "high tom", "m": "middle tom", "f": "floor tom"}

# Chord tones by index (3 is the octave) that a clean guitar picks in eighths.
ARPEGGIOS = ((0, 1, 2, 3, 2, 3, 1, 2), (0, 2, 3, 2, 1, 2, 3, 2), (0, 1, 3, 1, 2, 1, 3, 1))

HUMAN_SECONDS = 0.004  # standard deviation of a player's timing
STRUM_SECONDS = 0.004  # from one string of a chord to the next


@dataclass(frozen=True)
class Sketch:
    """What is settled before the first note: the frame, and the ideas that a song repeats."""

    band: Band
    key: Key
    grid: BeatGrid
    riff: tuple[tuple[int, int, int, bool], ...]  # (step of 32, length, pentatonic step, muted)
    progressions: dict[SectionName, tuple[int, ...]]
    grooves: dict[SectionName, Groove]
    bass_rhythms: dict[SectionName, str]
    chug_rhythm: str
    chord_rhythm: str
    arpeggio: tuple[int, ...]
    chorus_hook: bool


def compose(seed: int, track_index: int, clip_seconds: float) -> Song:
    """Write song ``track_index`` of the corpus ``seed``, at least ``clip_seconds`` long.

    A song does not depend on how many others are written. Bands take turns, and every dozen
    songs goes through all twelve tonics.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, track_index, 0)))
    dozen = np.random.default_rng(np.random.SeedSequence((seed, track_index // 12, 1)))
    band = BANDS[track_index % len(BANDS)]
    key = Key(int(dozen.permutation(12)[track_index % 12]), _choose(rng, band.modes))
    verse_groove = GROOVES[_choose(rng, band.grooves)]
    grid = BeatGrid(
        tempo_bpm=float(rng.integers(band.tempi_bpm[0], band.tempi_bpm[1], endpoint=True)),
        lead_in_seconds=round(float(rng.uniform(0.05, 0.3)), 3),
        swing=verse_groove.swing,
    )
    sketch = _sketch(band, key, grid, verse_groove, rng)
    sections = _sections(sketch, clip_seconds, rng)
    left: list[Note] = []
    right: list[Note] = []
    bass: list[Note] = []
    lead: list[Note] = []
    colour: list[Note] = []
    drums: list[Hit] = []
    for section in sections:
        guitar = _rhythm_guitar(section, sketch)
        left += guitar
        # One guitar alone leaves room in verses; the other joins when it gets loud.
        right += guitar if section.name != "verse" else []
        bass += _bass(section, sketch)
        lead += _lead(section, sketch, rng)
        colour += _colour(section, sketch)
        drums += _drums(section, sketch, rng)
    return Song(
        band, key, grid, clip_seconds, sections,
        left=_human(left, clip_seconds, rng),
        right=_human(right, clip_seconds, rng),
        bass=_human(bass, clip_seconds, rng),
        lead=_human(lead, clip_seconds, rng),
        colour=_human(colour, clip_seconds, rng),
        drums=_human(drums, clip_seconds, rng),
    )  # fmt: skip


def _choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _onsets(rhythm: str) -> list[tuple[int, int, str]]:
    """A rhythm string as (step, length in steps, symbol); silences are left out."""
    starts = [step for step, symbol in enumerate(rhythm) if symbol != "."]
    ends = [*starts[1:], len(rhythm)]
    return [
        (start, end - start, rhythm[start])
        for start, end in zip(starts, ends, strict=True)
        if rhythm[start] != "-"
    ]


def _fitting(rhythms: Iterable[str], swing: bool) -> list[str]:
    """Swung sixteenths do not exist in rock: keep the rhythms made of eighths."""
    return [r for r in rhythms if not swing or all(step % 2 == 0 for step, _, _ in _onsets(r))]


def _sketch(
    band: Band, key: Key, grid: BeatGrid, groove: Groove, rng: np.random.Generator
) -> Sketch:
    others = [GROOVES[name] for name in band.grooves if GROOVES[name].swing == groove.swing]
    loud_groove = _choose(rng, others)
    verse, chorus = (_choose(rng, PROGRESSIONS[key.mode]) for _ in range(2))
    quiet_bass, loud_bass = (_choose(rng, BASS_RHYTHMS) for _ in range(2))
    return Sketch(
        band,
        key,
        grid,
        riff=_riff(_fitting(RIFF_RHYTHMS, groove.swing), rng),
        progressions={"intro": (0, 0, 0, 0), "verse": verse, "chorus": chorus, "solo": verse},
        grooves={"intro": groove, "verse": groove, "chorus": loud_groove, "solo": loud_groove},
        bass_rhythms={"verse": quiet_bass, "chorus": loud_bass, "solo": loud_bass},
        chug_rhythm=_choose(rng, _fitting(band.chug_rhythms, groove.swing)),
        chord_rhythm=_choose(rng, _fitting(band.chord_rhythms, groove.swing)),
        arpeggio=_choose(rng, ARPEGGIOS),
        chorus_hook=bool(rng.random() < 0.5),
    )


def _riff(
    rhythms: Sequence[str], rng: np.random.Generator
) -> tuple[tuple[int, int, int, bool], ...]:
    """Two bars that keep coming home: a walk up and down the pentatonic over a pedal tonic."""
    rhythm = _choose(rng, rhythms) + _choose(rng, rhythms)
    height, riff = 0, []
    for step, length, _ in _onsets(rhythm):
        home = step % STEPS_PER_BAR == 0 or rng.random() < 0.45
        height = 0 if home else int(np.clip(height + rng.choice((-2, -1, 1, 1, 2)), -1, 5))
        muted = height == 0 and step % STEPS_PER_BEAT != 0 and length <= 2
        riff.append((step, length, height, muted))
    return tuple(riff)


def _sections(sketch: Sketch, clip_seconds: float, rng: np.random.Generator) -> tuple[Section, ...]:
    """Enough sections to fill the clip; past its end the form goes round again, less the intro."""
    form = _choose(rng, FORMS)
    bar_seconds = sketch.grid.seconds(1) - sketch.grid.seconds(0)
    sections: list[Section] = []
    bar = 0
    for name in itertools.chain(form, itertools.cycle(form[1:])):
        if sketch.grid.seconds(bar) >= clip_seconds:
            break
        n_bars = 2 if name in ("intro", "solo") and bar_seconds > 2.0 else 4
        chord = triad if _colour_plays(name, sketch.band) else power_chord
        harmony = tuple(chord(sketch.key, degree) for degree in sketch.progressions[name][:n_bars])
        sections.append(Section(name, bar, harmony))
        bar += n_bars
    return tuple(sections)


def _colour_plays(name: SectionName, band: Band) -> bool:
    return (band.colour == "organ" and name != "intro") or (
        band.colour == "clean" and name == "verse"
    )


def _riff_notes(section: Section, sketch: Sketch, lowest_midi: int) -> list[Note]:
    grid = sketch.grid
    root_midi = lowest_at_least(sketch.key.tonic, lowest_midi)
    return [
        Note(
            grid.seconds(bar, step),
            grid.seconds(bar, step + length) - grid.seconds(bar, step),
            root_midi + pentatonic(sketch.key, height),
            velocity=0.95 if step % STEPS_PER_BEAT == 0 else 0.8,
            touch="muted" if muted else "open",
        )
        for bar in section.bars[::2]
        for step, length, height, muted in sketch.riff
    ]


def _rhythm_guitar(section: Section, sketch: Sketch) -> list[Note]:
    """The riff in intros, chugs in verses and under solos, chords in choruses."""
    if section.name == "intro":
        riff = _riff_notes(section, sketch, sketch.band.lowest_guitar_midi)
        fifths = [replace(note, midi=note.midi + 7) for note in riff if sketch.band.riff_fifths]
        return riff + fifths
    grid = sketch.grid
    rhythm = sketch.chord_rhythm if section.name == "chorus" else sketch.chug_rhythm
    return [
        note
        for bar, chord in zip(section.bars, section.harmony, strict=True)
        for step, length, symbol in _onsets(rhythm)
        for note in _strum(
            symbol,
            lowest_at_least(chord.root, sketch.band.lowest_guitar_midi),
            grid.seconds(bar, step),
            grid.seconds(bar, step + length) - grid.seconds(bar, step),
            on_beat=step % STEPS_PER_BEAT == 0,
        )
    ]


def _strum(symbol: str, root: int, start: float, duration: float, on_beat: bool) -> list[Note]:
    """Root, fifth and octave, struck one string after the other; a chug leaves out the octave."""
    velocity = 0.95 if on_beat else 0.8
    if symbol == "x":
        return [Note(start, duration, root + 12, 0.7 * velocity, "scratch")]
    if symbol == "m":
        return [Note(start, duration, root + interval, velocity, "muted") for interval in (0, 7)]
    held = duration if symbol == "O" else 0.8 * duration
    return [
        Note(start + string * STRUM_SECONDS, held, root + interval, velocity)
        for string, interval in enumerate((0, 7, 12))
    ]


def _bass(section: Section, sketch: Sketch) -> list[Note]:
    """The riff an octave below the guitars, or chord roots with octaves and passing notes."""
    lowest = sketch.band.lowest_guitar_midi - 12
    if section.name == "intro":
        return [replace(note, touch="open") for note in _riff_notes(section, sketch, lowest)]
    grid = sketch.grid
    style = sketch.bass_rhythms[section.name]
    kick = sketch.grooves[section.name].kick
    rhythm = {"kick": kick.replace("x", "n"), "octaves": "n.n.n.n.n.n.n.n."}.get(style, style)
    notes = []
    following = (*section.harmony[1:], section.harmony[0])
    for bar, chord, next_chord in zip(section.bars, section.harmony, following, strict=True):
        root = lowest_at_least(chord.root, lowest)
        for step, length, _ in _onsets(rhythm):
            start, end = grid.seconds(bar, step), grid.seconds(bar, step + length)
            midi = root + 12 if style == "octaves" and step % STEPS_PER_BEAT else root
            if step >= 14 and next_chord != chord:
                midi = scale_step_below(sketch.key, lowest_at_least(next_chord.root, lowest + 1))
            velocity = 1.0 if step % 8 == 0 else 0.85
            notes.append(Note(start, 0.95 * (end - start), midi, velocity))
    return notes


def _lead(section: Section, sketch: Sketch, rng: np.random.Generator) -> list[Note]:
    """A solo of pentatonic licks, the first one repeated; in some choruses, a slow hook."""
    grid = sketch.grid
    if section.name == "chorus" and sketch.chorus_hook:
        return _hook(section, grid)
    if section.name != "solo":
        return []
    root = lowest_at_least(sketch.key.tonic, 57)
    licks = [_lick(sketch.key, root, grid.swing, rng) for _ in range(2)]
    notes = []
    for bar in section.bars:
        is_last = bar == section.bars[-1]
        lick = [(0, STEPS_PER_BAR, root + 12, 2.0)] if is_last else licks[(bar // 2) % 2]
        for step, length, midi, bend in lick:
            start, end = grid.seconds(bar, step), grid.seconds(bar, step + length)
            notes.append(Note(start, 0.97 * (end - start), midi, 0.9, bend_semitones=bend))
    return notes


def _lick(
    key: Key, root: int, swing: bool, rng: np.random.Generator
) -> list[tuple[int, int, int, float]]:
    """One bar of (step, length, MIDI, bend): a walk over two octaves of the pentatonic."""
    height = int(rng.integers(2, 8))
    lick = []
    for step, length, _ in _onsets(_choose(rng, _fitting(LEAD_RHYTHMS, swing))):
        bend = float(rng.choice((0.0, 0.0, 1.0, 2.0))) if length >= 2 else 0.0
        lick.append((step, length, root + pentatonic(key, height), bend))
        height = int(np.clip(height + rng.choice((-2, -1, -1, 1, 1, 2)), 0, 10))
    return lick


def _hook(section: Section, grid: BeatGrid) -> list[Note]:
    """Two long notes a bar: the chord's root, then its fifth, high above the guitars."""
    return [
        Note(grid.seconds(bar, step), grid.seconds(0, 7) - grid.seconds(0), midi, 0.8)
        for bar, chord in zip(section.bars, section.harmony, strict=True)
        for step, midi in (
            (0, lowest_at_least(chord.root, 67)),
            (8, lowest_at_least(chord.root + 7, 64)),
        )
    ]


def _colour(section: Section, sketch: Sketch) -> list[Note]:
    """Held organ chords, or a clean guitar picking through the chord."""
    band, grid = sketch.band, sketch.grid
    if not _colour_plays(section.name, band):
        return []
    notes = []
    for bar, chord in zip(section.bars, section.harmony, strict=True):
        start, bar_seconds = grid.seconds(bar), grid.seconds(1) - grid.seconds(0)
        if band.colour == "organ":
            notes += [
                Note(start, 0.97 * bar_seconds, lowest_at_least(chord.root + interval, 55), 0.8)
                for interval in chord.intervals
            ]
            continue
        root = lowest_at_least(chord.root, band.lowest_guitar_midi + 8)
        tones = [*chord.intervals, 12, 12 + chord.intervals[1]][:4]
        # Picked strings ring into each other, as fingers stay down for half a bar.
        notes += [
            Note(grid.seconds(bar, 2 * index), bar_seconds / 2, root + tones[tone], 0.8)
            for index, tone in enumerate(sketch.arpeggio)
        ]
    return notes


def _drums(section: Section, sketch: Sketch, rng: np.random.Generator) -> list[Hit]:
    """Groove, timekeeping cymbal and ghost notes; a crash opens a section and a fill closes it."""
    grid = sketch.grid
    groove = sketch.grooves[section.name]
    loud = section.name in ("chorus", "solo")
    force = 1.0 if loud else 0.85
    timekeeper = sketch.band.timekeepers[loud]
    # At high tempi nobody rides eighths on a big cymbal.
    cymbal_steps = 4 if timekeeper == "crash" or (grid.tempo_bpm > 140 and loud) else 2
    fill = _choose(rng, SWUNG_FILLS if grid.swing else STRAIGHT_FILLS)
    hits = [Hit(grid.seconds(section.first_bar), force, "crash")]
    for bar in section.bars:
        fill_from = STEPS_PER_BAR - len(fill) if bar == section.bars[-1] else STEPS_PER_BAR
        pattern = [(step, force, "kick") for step, _, _ in _onsets(groove.kick)]
        pattern += [(step, force, "snare") for step, _, _ in _onsets(groove.snare)]
        pattern += [
            (step, force * (0.8 if step % 4 == 0 else 0.55), timekeeper)
            for step in range(0, STEPS_PER_BAR, cymbal_steps)
        ]
        pattern += [
            (step, 0.22 * force, "snare")
            for step in range(2, STEPS_PER_BAR, 2 if grid.swing else 1)
            if groove.snare[step] == "." and step % 4 and rng.random() < 0.08
        ]
        hits += [
            Hit(grid.seconds(bar, step), velocity, drum)
            for step, velocity, drum in pattern
            if step < fill_from or (drum == "kick" and step % 4 == 0)
        ]
    hits += [
        Hit(
            grid.seconds(section.bars[-1], STEPS_PER_BAR - len(fill) + step),
            force * (0.7 + 0.3 * step / len(fill)),
            FILL_VOICES[symbol],
        )
        for step, _, symbol in _onsets(fill)
        if symbol in FILL_VOICES
    ]
    return hits


def _human(
    events: Iterable[Event], clip_seconds: float, rng: np.random.Generator
) -> tuple[Event, ...]:
    """In order of time, each a few ms off the grid and not quite as loud as meant."""
    played = []
    for event in events:
        offset = float(np.clip(rng.normal(0.0, HUMAN_SECONDS), -0.01, 0.01))
        start = max(0.0, event.start_seconds + offset)
        velocity = event.velocity * float(np.clip(rng.normal(1.0, 0.07), 0.75, 1.25))
        played.append(replace(event, start_seconds=start, velocity=velocity))
    inside = [event for event in played if event.start_seconds < clip_seconds]
    return tuple(sorted(inside, key=lambda event: event.start_seconds))
