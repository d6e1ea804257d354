"""The little music theory rock needs. Pitches are MIDI note numbers (69 = A4 = 440 Hz)."""

from __future__ import annotations

from dataclasses import dataclass

from soundloom.common.pitch import PITCH_NAMES, Key

SCALES = {
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}

# Five notes that sound right over the whole key: what riffs and solos are made of.
PENTATONICS = {
    "minor": (0, 3, 5, 7, 10),
    "major": (0, 2, 4, 7, 9),
    "mixolydian": (0, 4, 5, 7, 10),
}

# Chord roots, in semitones above the tonic, of four bars; each sets out from home.
PROGRESSIONS = {
    "minor": ((0, 8, 3, 10), (0, 10, 8, 10), (0, 0, 3, 10), (0, 5, 8, 10), (0, 3, 10, 0)),
    "major": ((0, 7, 9, 5), (0, 5, 7, 5), (0, 9, 5, 7), (0, 0, 5, 7), (0, 5, 0, 7)),
    "mixolydian": ((0, 10, 5, 0), (0, 5, 10, 5), (0, 0, 10, 5), (0, 10, 0, 5)),
}

CHORD_INTERVALS = {"5": (0, 7), "": (0, 4, 7), "m": (0, 3, 7)}


@dataclass(frozen=True)
class Chord:
    """``root`` is a pitch class (0 = C); ``quality`` "5" (power chord), "" (major) or "m"."""

    root: int
    quality: str

    @property
    def name(self) -> str:
        """As guitarists write it: "E5", "A", "F#m"."""
        return PITCH_NAMES[self.root] + self.quality

    @property
    def intervals(self) -> tuple[int, ...]:
        """Semitones above the root."""
        return CHORD_INTERVALS[self.quality]


def power_chord(key: Key, degree_semitones: int) -> Chord:
    """Root and fifth on ``degree_semitones`` above the tonic."""
    return Chord((key.tonic + degree_semitones) % 12, "5")


def triad(key: Key, degree_semitones: int) -> Chord:
    """The triad the scale has there; a power chord where its fifth would be diminished."""
    scale = SCALES[key.mode]
    if (degree_semitones + 7) % 12 not in scale:
        return power_chord(key, degree_semitones)
    quality = "" if (degree_semitones + 4) % 12 in scale else "m"
    return Chord((key.tonic + degree_semitones) % 12, quality)


def pentatonic(key: Key, step: int) -> int:
    """Semitones above the tonic of the ``step``-th pentatonic note (5 is an octave up)."""
    octave, index = divmod(step, 5)
    return 12 * octave + PENTATONICS[key.mode][index]


def scale_step_below(key: Key, midi: int) -> int:
    """The nearest scale note under ``midi``: the passing note that leads up to it."""
    return next(
        note
        for note in range(midi - 1, midi - 4, -1)
        if (note - key.tonic) % 12 in SCALES[key.mode]
    )


def lowest_at_least(pitch_class: int, lowest_midi: int) -> int:
    """The lowest note of a pitch class on a string whose open note is ``lowest_midi``."""
    return lowest_midi + (pitch_class - lowest_midi) % 12


def midi_to_hz(midi: float) -> float:
    """Equal temperament, A4 = 440 Hz."""
    return 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
