"""What became of a recording, and what is known of those that were cut before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from soundloom.cache.files import Cache
from soundloom.common.io import written_aside
from soundloom.corpus.manifest import Clip
from soundloom.ingest.config import DatasetConfig


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: the clips written from it, or the reason there are none."""

    recording: str = ""
    clips: tuple[Clip, ...] = ()
    n_samples: int = 0
    beginnings: tuple[tuple[bytes, ...], ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    unreadable: bool = False
    was_known: bool = False


def cut_before() -> Cache:
    """The clips that recordings were cut into before, by the same code."""
    return Cache("clips", ("audio", "band", "common", "corpus", "ingest"))


def clip_file(prefix: str, number: int) -> str:
    """Where a clip lies until all clips are numbered."""
    return f"{prefix}.{number:05d}.wav"


class KnownCuts:
    """What became of one recording before, its clips to lie in ``folder``, at ``prefix``.

    A clip is kept by its own SHA-256, apart from what says which clips a recording has: of hours,
    one clip at a time is in memory, and a file with other tags has the same clips.
    """

    def __init__(
        self,
        known: Cache,
        made_of: Sequence[Any],
        config: DatasetConfig,
        folder: Path,
        prefix: str,
    ):
        """Raise ``OSError`` where a file that it is made of cannot be read."""
        self._known, self._folder, self._prefix = known, folder, prefix
        sizes = [config.clip_samples, config.min_clip_samples]
        made_with = [config.source, config.sample_rate_hz, config.channels, *sizes]
        self._key = known.key(made_with, *made_of)

    def recall(self) -> Outcome | None:
        """Write the clips as they were; None if not all of it is known."""
        if (entry := self._known.read(self._key)) is None:
            return None
        document = json.loads(entry["outcome"].tobytes())
        clips = [Clip(**clip) for clip in document["clips"]]
        clips = [
            replace(clip, file=clip_file(self._prefix, number)) for number, clip in enumerate(clips)
        ]
        if not all(self._write(clip) for clip in clips):
            return None
        return Outcome(
            clips=tuple(clips),
            n_samples=document["n_samples"],
            beginnings=tuple(tuple(map(bytes.fromhex, one)) for one in document["beginnings"]),
            reason=document["reason"],
            notes=tuple(document["notes"]),
            was_known=True,
        )

    def keep(self, outcome: Outcome) -> None:
        """Keep what became of it, and the clips that now lie in the folder."""
        for clip in outcome.clips:
            content = np.fromfile(self._folder / clip.file, np.uint8)
            self._known.write(self._known.key(clip.sha256), {"wav": content})
        document = asdict(outcome)
        document["beginnings"] = [[mark.hex() for mark in one] for one in outcome.beginnings]
        text = json.dumps(document).encode()
        self._known.write(self._key, {"outcome": np.frombuffer(text, np.uint8)})

    def _write(self, clip: Clip) -> bool:
        """Write a clip as it was, if it is known."""
        if (entry := self._known.read(self._known.key(clip.sha256))) is None:
            return False
        with written_aside(self._folder / clip.file) as aside:
            entry["wav"].tofile(aside)
        return True
