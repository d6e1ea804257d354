"""What the corpus consists of: recordings as a source offers them, clips as the stages use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from soundloom.layout import MANIFEST_FILE
from soundloom.store import read_json, write_json


@dataclass(frozen=True)
class Recording:
    """One whole recording a source offers; nothing is read until ``load`` is called.

    ``load(sample_rate_hz)`` returns ``(n_samples,)`` float32 mono and raises
    :class:`~soundloom.errors.UnusableAudio`; it must pickle, as recordings are loaded in parallel.
    ``name`` is unique within the source and the same on every machine (a relative path, a title).
    ``truth`` is what the source knows of the music (tempo, key, chords), in JSON types.
    """

    name: str
    load: Callable[[int], np.ndarray]
    artist: str | None = None
    licence: str | None = None
    truth: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Clip:
    """A piece of a recording, as a file: ``data/raw/<file>``.

    ``offset_samples`` and ``n_samples`` count at the corpus's rate, within the recording;
    ``sha256`` is of the file's bytes.
    """

    file: str
    recording: str
    offset_samples: int
    n_samples: int
    artist: str | None
    licence: str | None
    sha256: str
    truth: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The file's name without folder and ending: what outputs about this clip are called."""
        return Path(self.file).stem


@dataclass(frozen=True)
class Rejected:
    """A file or recording that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """What a source offers: recordings in any order, and the files it could make nothing of.

    ``licences`` are whole texts by the name they are kept under.
    """

    recordings: tuple[Recording, ...]
    rejected: tuple[Rejected, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``: the corpus's table of contents, clips in order of recording and time."""

    source: str
    genre: str
    sample_rate_hz: int
    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...] = field(default=())

    @property
    def by_name(self) -> dict[str, Clip]:
        """The clips by their names."""
        return {clip.name: clip for clip in self.clips}

    def truths(self, clip_of: Mapping[str, str | None]) -> dict[str, Mapping[str, Any]]:
        """What the source knows of the music of things, each given with the clip it comes from.

        Things of no clip, of a clip that is not here, or of one nothing is known of are left out.
        """
        clips = self.by_name
        found = {name: clips.get(clip or "") for name, clip in clip_of.items()}
        return {name: clip.truth for name, clip in found.items() if clip and clip.truth}

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path = MANIFEST_FILE) -> Manifest:
        """Read what :meth:`save` wrote."""
        document = read_json(path)
        document["clips"] = tuple(Clip(**clip) for clip in document["clips"])
        document["rejected"] = tuple(Rejected(**entry) for entry in document["rejected"])
        return cls(**document)
