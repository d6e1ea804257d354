"""What a source offers: whole recordings, of which nothing is read yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from soundloom.audio.files import Decoded
from soundloom.corpus.manifest import Rejected


class Load(Protocol):
    """Reads a recording; see :class:`Recording`."""

    def __call__(self, sample_rate_hz: int, channels: int = 1) -> Decoded:
        """Its samples, and what its owner should know of them."""


@dataclass(frozen=True)
class Recording:
    """One whole recording a source offers; nothing is read until ``load`` is called.

    ``load(sample_rate_hz, channels)`` gives float32 in [-1, 1], ``(n_samples,)`` for 1 channel and
    ``(n_samples, 2)`` for 2, an array or what is read in slices, with notes, and raises
    :class:`~soundloom.common.errors.UnusableAudio`; it must pickle, as recordings are loaded by
    worker processes. ``name`` is unique within the source and the same on every machine (a relative
    path, a title). ``truth`` is what the source knows of the music (tempo, key, chords), in JSON
    types. ``artist`` is taken where the tags that ``load`` finds name none. ``made_of`` are the
    files that ``load`` reads, or what is composed (JSON types): the same gives the same samples,
    notes and tags. Of what names nothing there, nothing is known from before.
    """

    name: str
    load: Load
    artist: str | None = None
    licence: str | None = None
    truth: Mapping[str, Any] | None = None
    made_of: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Collection:
    """What a source offers: recordings in any order, and the files it does not.

    It could make nothing of those ``rejected``; those ``left_out`` are no music, or not wanted.
    ``licences`` are whole texts by the name they are kept under. ``ValueError`` when two recordings
    share a name.
    """

    recordings: tuple[Recording, ...]
    rejected: tuple[Rejected, ...] = ()
    left_out: tuple[Rejected, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = Counter(recording.name for recording in self.recordings)
        if shared := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"recordings share the name {shared[0]!r}; each must have its own")
