"""The section ``dataset``: which recordings, and the clips they are cut into."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from soundloom.common.params import PathText, SampleRate, Section, Seed, only

GTZAN_GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip
# A genre names a folder and a file prefix, so it is kept to characters safe on every system.
Label = Annotated[
    str,
    Field(max_length=64),
    only(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*").fullmatch,
        "consist of letters a to z, digits, - and _, and begin with a letter or digit",
    ),
]
PackageName = Annotated[
    str,
    only(
        re.compile(r"[a-z0-9][a-z0-9+.-]+").fullmatch,
        "be the name of a Debian package: small letters, digits, +, - and .",
    ),
]
FileName = Annotated[
    str,
    Field(max_length=255),
    only(re.compile(r"[^/\0]+").fullmatch, "be the name of a file or folder, without any /"),
]


class BuiltinConfig(Section):
    """``dataset.builtin``: the corpus the project composes and plays itself."""

    n_tracks: Annotated[int, Field(ge=1, le=1000)]
    seed: Seed


class FolderConfig(Section):
    """``dataset.folder``: the user's own recordings."""

    path: Annotated[PathText, Field(min_length=1)]


class DebianConfig(Section):
    """``dataset.debian``: freely licensed music by package name (Debian policy 5.6.1)."""

    packages: Annotated[list[PackageName], Field(min_length=1)]
    leave_out: list[FileName]


class GtzanConfig(Section):
    """``dataset.gtzan``: the Kaggle copy of GTZAN; an empty path asks Kaggle for it."""

    path: PathText


class DatasetConfig(Section):
    """``dataset``: which recordings, and the clips they are cut into."""

    key = "dataset"

    source: Literal["builtin", "folder", "debian", "gtzan"]
    genre: Label
    sample_rate_hz: SampleRate
    channels: Annotated[int, Field(ge=1, le=2)]
    clip_seconds: Annotated[float, Field(ge=1, le=600)]
    min_clip_seconds: Annotated[float, Field(ge=0.5, le=600)]
    min_clips: Annotated[int, Field(ge=1, le=100_000)]
    builtin: BuiltinConfig
    folder: FolderConfig
    debian: DebianConfig
    gtzan: GtzanConfig

    @property
    def clip_samples(self) -> int:
        """Samples in a whole clip."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def min_clip_samples(self) -> int:
        """Samples below which audio is too short to be a clip."""
        return math.ceil(self.min_clip_seconds * self.sample_rate_hz)

    @model_validator(mode="after")
    def _agree(self) -> DatasetConfig:
        if self.min_clip_seconds > self.clip_seconds:
            raise ValueError(
                f"min_clip_seconds is {self.min_clip_seconds}; "
                f"it must be at most clip_seconds ({self.clip_seconds})"
            )
        if self.source == "gtzan" and self.genre not in GTZAN_GENRES:
            raise ValueError(
                f"genre is {self.genre!r}; with source: gtzan it must be one of "
                + ", ".join(GTZAN_GENRES)
            )
        return self
