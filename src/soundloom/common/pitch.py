"""Names of pitch classes and keys: what a corpus's ground truth is written and read in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from soundloom.common.errors import SoundloomError

# A pitch class is a number from 0 (C) to 11 (B); these are their names.
PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("major", "mixolydian", "minor")


@dataclass(frozen=True)
class Key:
    """``tonic`` is a pitch class (0 is C); ``mode`` one of :data:`MODES`."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        """Tonic and mode: "E minor"."""
        return f"{PITCH_NAMES[self.tonic]} {self.mode}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """The key of such a name: "E minor", "F# mixolydian".

        Raises :class:`SoundloomError` for any other.
        """
        pitch, _, mode = name.partition(" ")
        if pitch not in PITCH_NAMES or mode not in MODES:
            raise SoundloomError(
                f"key {name!r} is unknown: one of {', '.join(PITCH_NAMES)}, a space and one of "
                f"{', '.join(MODES)}"
            )
        return cls(PITCH_NAMES.index(pitch), mode)
