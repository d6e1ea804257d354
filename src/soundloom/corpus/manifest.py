"""What the corpus consists of: clips, where each comes from, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    title: str | None = None

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
class Note:
    """Something unusual about how a recording was read, which its owner should know."""

    recording: str
    note: str


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``: the corpus's table of contents, clips in order of recording and time."""

    source: str
    genre: str
    sample_rate_hz: int
    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...] = field(default=())
    notes: tuple[Note, ...] = field(default=())
    channels: int = 1
    """Of every clip: 1 or 2."""

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
