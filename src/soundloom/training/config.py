"""The section ``train``: gradient descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from soundloom.common.params import Section, Seed, Threads


class AugmentConfig(Section):
    """``train.augment``: how training windows are varied."""

    share: Annotated[float, Field(ge=0, le=1)]
    gain_db: Annotated[float, Field(ge=0, le=40)]
    pitch_semitones: Annotated[float, Field(ge=0, le=12)]
    time_stretch: Annotated[float, Field(ge=0, le=0.5)]
    eq_db: Annotated[float, Field(ge=0, le=40)]


class TrainConfig(Section):
    """``train``: gradient descent."""

    key = "train"

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    optimizer: Literal["adam", "muon"]
    learning_rate: Annotated[float, Field(ge=1e-7, le=1)]
    schedule: Literal["constant", "cosine"]
    patience: Annotated[int, Field(ge=1, le=10_000)]
    seed: Seed
    threads: Threads
    listen_every: Annotated[int, Field(ge=0, le=10_000)]
    augment: AugmentConfig
