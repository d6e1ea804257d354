"""Six bands. What a band keeps from song to song is here; what differs is composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Amp:
    """A guitar amplifier: high-pass, ``gain`` into the valves, tone, loudspeaker cabinet."""

    gain: float  # times; 3 is crunch, 40 is metal
    tightness_hz: float  # bass removed before the distortion, so that chords stay firm
    mids_db: float  # at 600 Hz after the distortion; negative is the scooped metal tone
    presence_db: float  # at 2.8 kHz
    cabinet_hz: float  # above this the loudspeaker is silent


@dataclass(frozen=True)
class Kit:
    """A drum kit as tuned and miked."""

    kick_hz: float
    kick_click: float  # beater noise against the skin's tone
    snare_hz: float
    snare_seconds: float  # decay time of the wires, to -60 dB
    tom_hz: tuple[float, float, float]  # high, middle, floor
    cymbal_hz: float  # where the cymbals' energy lies


Colour = Literal["none", "organ", "clean"]


@dataclass(frozen=True)
class Band:
    """What makes a band recognisable; ``levels_db`` are the mixer's faders against the drums."""

    name: str
    tempi_bpm: tuple[int, int]
    modes: tuple[str, ...]
    lowest_guitar_midi: int
    grooves: tuple[str, ...]  # names in compose.GROOVES
    chord_rhythms: tuple[str, ...]  # choruses; notation in compose
    chug_rhythms: tuple[str, ...]  # verses
    riff_fifths: bool  # riffs in power chords rather than single notes
    colour: Colour  # what joins the guitars in verses
    timekeepers: tuple[str, str]  # the drummer's right hand: in verses, in choruses
    amp: Amp
    kit: Kit
    room_seconds: float  # reverberation time
    room_level: float
    levels_db: tuple[float, float, float, float]  # bass, rhythm guitars, lead guitar, colour


BANDS = (
    Band(
        name="builtin band 1",  # punk: fast, bright, down-strokes
        tempi_bpm=(152, 180),
        modes=("major", "minor"),
        lowest_guitar_midi=40,
        grooves=("straight", "driving", "double time"),
        chord_rhythms=("o.o.o.o.o.o.o.o.", "O...o.o.O...o.o.", "o.o.o.o.o.o.O..."),
        chug_rhythms=("m.m.m.m.m.m.m.m.", "O...m.m.O...m.m."),
        riff_fifths=True,
        colour="none",
        timekeepers=("hat", "open hat"),
        amp=Amp(gain=9.0, tightness_hz=120.0, mids_db=2.0, presence_db=6.0, cabinet_hz=5600.0),
        kit=Kit(62.0, 0.5, 205.0, 0.30, (190.0, 140.0, 95.0), 7000.0),
        room_seconds=0.5,
        room_level=0.16,
        levels_db=(-3.0, -1.0, -3.0, -9.0),
    ),
    Band(
        name="builtin band 2",  # metal: low, tight, scooped
        tempi_bpm=(104, 150),
        modes=("minor",),
        lowest_guitar_midi=37,
        grooves=("gallop", "double time", "half time", "driving"),
        chord_rhythms=("O.......O.......", "O..O..O.O..O..O.", "O.....o.o..o..o."),
        chug_rhythms=("m.mmm.mmm.mmm.mm", "O.mmmmmmO.mmmmmm", "mmm.mmm.mm.mO..."),
        riff_fifths=False,
        colour="none",
        timekeepers=("hat", "ride"),
        amp=Amp(gain=34.0, tightness_hz=170.0, mids_db=-5.0, presence_db=7.0, cabinet_hz=5000.0),
        kit=Kit(54.0, 1.0, 190.0, 0.34, (160.0, 115.0, 75.0), 6200.0),
        room_seconds=0.7,
        room_level=0.14,
        levels_db=(-4.0, 0.0, -2.5, -9.0),
    ),
    Band(
        name="builtin band 3",  # classic rock with an organ
        tempi_bpm=(106, 136),
        modes=("mixolydian", "major"),
        lowest_guitar_midi=40,
        grooves=("straight", "four on the floor", "syncopated"),
        chord_rhythms=("O.......o.o.O...", "O.....o.O.....o.", "O..O..o.--O.o.o."),
        chug_rhythms=("m.m.O...m.m.m.O.", "O...--m.m.m.O..."),
        riff_fifths=False,
        colour="organ",
        timekeepers=("hat", "ride"),
        amp=Amp(gain=6.0, tightness_hz=90.0, mids_db=3.5, presence_db=4.0, cabinet_hz=4600.0),
        kit=Kit(58.0, 0.35, 175.0, 0.24, (150.0, 110.0, 80.0), 5000.0),
        room_seconds=0.9,
        room_level=0.18,
        levels_db=(-2.5, -2.0, -3.0, -5.0),
    ),
    Band(
        name="builtin band 4",  # blues rock: shuffles and jangling cymbals
        tempi_bpm=(88, 126),
        modes=("mixolydian", "minor"),
        lowest_guitar_midi=40,
        grooves=("shuffle", "shuffle", "syncopated"),
        chord_rhythms=("O...o.o.O...o.o.", "O.......--o.o.o.", "O.o.--o.O.o.--o."),
        chug_rhythms=("m.m.m.m.m.m.m.m.", "O.m.m.m.O.m.m.m."),
        riff_fifths=False,
        colour="organ",
        timekeepers=("ride", "ride"),
        amp=Amp(gain=4.0, tightness_hz=100.0, mids_db=4.0, presence_db=3.0, cabinet_hz=4200.0),
        kit=Kit(66.0, 0.3, 220.0, 0.22, (175.0, 130.0, 92.0), 4500.0),
        room_seconds=0.6,
        room_level=0.22,
        levels_db=(-1.5, -2.5, -1.5, -7.0),
    ),
    Band(
        name="builtin band 5",  # stoner rock: slow, detuned, fuzz, a large room
        tempi_bpm=(80, 100),
        modes=("minor",),
        lowest_guitar_midi=36,
        grooves=("half time", "straight", "syncopated"),
        chord_rhythms=("O.......O.......", "O.......O...o.o.", "O...........o.o."),
        chug_rhythms=("O...O...m.m.O...", "O.......m.m.m.m.", "m.m.O.....m.O..."),
        riff_fifths=True,
        colour="none",
        timekeepers=("open hat", "crash"),
        amp=Amp(gain=50.0, tightness_hz=60.0, mids_db=3.0, presence_db=1.0, cabinet_hz=3600.0),
        kit=Kit(50.0, 0.4, 165.0, 0.40, (130.0, 95.0, 66.0), 4000.0),
        room_seconds=1.4,
        room_level=0.24,
        levels_db=(-2.0, -0.5, -2.0, -9.0),
    ),
    Band(
        name="builtin band 6",  # alternative: clean verses, loud choruses
        tempi_bpm=(118, 152),
        modes=("major", "minor"),
        lowest_guitar_midi=38,
        grooves=("straight", "syncopated", "four on the floor", "driving"),
        chord_rhythms=("o.o.o.o.o.o.o.o.", "O..O..O.O..O..O.", "O.......o.o.o.o."),
        chug_rhythms=("--------m.m.m.m.", "m.m.m.m.m.m.m.m.", "x.xxm.m.x.xxm.m."),
        riff_fifths=True,
        colour="clean",
        timekeepers=("hat", "open hat"),
        amp=Amp(gain=14.0, tightness_hz=100.0, mids_db=0.0, presence_db=5.0, cabinet_hz=5200.0),
        kit=Kit(60.0, 0.6, 185.0, 0.38, (165.0, 120.0, 85.0), 6500.0),
        room_seconds=1.0,
        room_level=0.22,
        levels_db=(-3.0, -1.5, -3.5, -4.0),
    ),
)
