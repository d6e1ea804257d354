"""The corpus that needs nobody: songs composed and played by :mod:`soundloom.band`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from soundloom.audio.files import Decoded
from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.common.channels import in_channels
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig

# Generated from this project's own code, and given to everyone.
LICENCE = "CC0-1.0"


def collect(config: DatasetConfig, work: Path) -> Collection:
    """Offer ``dataset.builtin.n_tracks`` tracks; ``work`` stays empty."""
    return Collection(tuple(recordings(config)))


def recordings(config: DatasetConfig) -> list[Recording]:
    """One recording of ``clip_seconds`` a track, with its tempo, key, beats and chords as truth.

    A track depends on the seed and its own number alone, not on how many there are.
    """
    return [
        _recording(config.builtin.seed, index, config.clip_seconds)
        for index in range(config.builtin.n_tracks)
    ]


def _recording(seed: int, track_index: int, clip_seconds: float) -> Recording:
    song = compose(seed, track_index, clip_seconds)
    return Recording(
        name=f"track_{track_index:02d}",
        load=partial(_play, seed, track_index, clip_seconds),
        artist=song.band.name,
        licence=LICENCE,
        truth=song.truth(),
        made_of=(seed, track_index, clip_seconds),
    )


def _play(
    seed: int, track_index: int, seconds: float, sample_rate_hz: int, channels: int = 1
) -> Decoded:
    return Decoded(in_channels(perform(seed, track_index, seconds, sample_rate_hz), channels))
