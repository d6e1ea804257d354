"""Clips on disk → a fitted codec, a file of frames a clip, and what the round trip loses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from soundloom.audio import read_audio
from soundloom.config import SpectrogramConfig
from soundloom.corpus import Clip
from soundloom.parallel import each
from soundloom.spectrogram import FrameCodec, round_trip_errors
from soundloom.split import Stretch
from soundloom.store import FrameFolder

# The round trip is measured on this many clips, for this long: seconds of work, not minutes.
_N_ROUND_TRIPS, _ROUND_TRIP_SECONDS = 4, 10


def fit_codec(
    audio_folder: Path,
    clips: Sequence[Clip],
    stretches: Sequence[Stretch],
    config: SpectrogramConfig,
    sample_rate_hz: int,
) -> FrameCodec:
    """Fit the scaler on the training stretches alone."""
    training: dict[str, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        if stretch.part == "train":
            training[stretch.clip].append(stretch)
    used = [clip for clip in clips if clip.name in training]
    ranges = each(
        _level_ranges,
        used,
        audio_folder,
        training,
        config,
        sample_rate_hz,
        desc="level ranges",
    )
    return FrameCodec.fit([found for some in ranges for found in some], config, sample_rate_hz)


def encode_clips(
    audio_folder: Path, clips: Sequence[Clip], codec: FrameCodec, frames_folder: Path
) -> int:
    """Write every clip's frames; returns how many frames there are in all."""
    return sum(
        each(
            _encode,
            clips,
            audio_folder,
            codec,
            frames_folder,
            desc="spectrograms",
        )
    )


def measure_round_trip(
    audio_folder: Path, clips: Sequence[Clip], codec: FrameCodec
) -> dict[str, float]:
    """Mean :func:`~soundloom.spectrogram.round_trip_errors` of a few clips over the corpus."""
    errors = each(
        _round_trip,
        spread(clips, _N_ROUND_TRIPS),
        audio_folder,
        codec,
        desc="round trips",
    )
    return {key: float(np.mean([error[key] for error in errors])) for key in errors[0]}


def spread(clips: Sequence[Clip], wanted: int) -> list[Clip]:
    """Up to ``wanted`` clips, evenly spread over the corpus."""
    wanted = min(wanted, len(clips))
    return [clips[number * len(clips) // wanted] for number in range(wanted)]


def _level_ranges(
    clip: Clip,
    audio_folder: Path,
    training: Mapping[str, Sequence[Stretch]],
    config: SpectrogramConfig,
    sample_rate_hz: int,
) -> list[np.ndarray]:
    samples = read_audio(audio_folder / clip.file, sample_rate_hz)
    parts = [samples[part.start_sample : part.end_sample] for part in training[clip.name]]
    return [
        FrameCodec.level_range(part, config, sample_rate_hz)
        for part in parts
        if len(part) >= config.n_fft
    ]


def _encode(clip: Clip, audio_folder: Path, codec: FrameCodec, frames_folder: Path) -> int:
    frames = codec.encode(read_audio(audio_folder / clip.file, codec.sample_rate_hz))
    FrameFolder(frames_folder).write(clip.name, frames)
    return len(frames)


def _round_trip(clip: Clip, audio_folder: Path, codec: FrameCodec) -> dict[str, float]:
    samples = read_audio(audio_folder / clip.file, codec.sample_rate_hz)
    return round_trip_errors(samples[: _ROUND_TRIP_SECONDS * codec.sample_rate_hz], codec)
