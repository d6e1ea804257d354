"""Clips → a fitted codec, frames, and what the round trip loses; clip by clip, in parallel.

``read`` gives a clip's audio, mono or stereo; what is made of it is handed on at once, so that
memory is bounded by a few clips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from soundloom.common.evenly import evenly_spaced
from soundloom.common.parallel import each, each_apart
from soundloom.common.recall import Arrays, Recall, anew
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.spectral.codec import FRAMES_DTYPE, FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.round_trip import round_trip_errors

ReadClip = Callable[[Clip], np.ndarray]
RecallOf = Callable[[Clip], Recall]
"""What may know what is made of a clip's audio, and of what is named beside."""

# The round trip is measured on this many clips, for this long: seconds of work, not minutes.
_N_ROUND_TRIPS, _ROUND_TRIP_SECONDS = 4, 10


def _anew(clip: Clip) -> Recall:
    return anew


def fit_codec(
    read: ReadClip,
    clips: Sequence[Clip],
    segments: Sequence[Segment],
    config: SpectrogramConfig,
    sample_rate_hz: int,
    channels: int = 1,
    recall: RecallOf = _anew,
) -> FrameCodec:
    """Fit the scaler on the training segments alone."""
    training: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for segment in segments:
        if segment.part == "train":
            training[segment.clip].append((segment.start_sample, segment.end_sample))
    used = [(clip, training[clip.name]) for clip in clips if clip.name in training]

    def level_ranges(of_training: tuple[Clip, list[tuple[int, int]]]) -> Arrays:
        clip, parts = of_training
        made_of = (parts, config.model_dump(), sample_rate_hz, channels)
        return recall(clip)(
            made_of, lambda: _level_ranges(read(clip), parts, config, sample_rate_hz)
        )

    ranges = each_apart(level_ranges, used, desc="level ranges")
    found = (one for some in ranges for one in some.values())
    return FrameCodec.fit(found, config, sample_rate_hz, channels)


def encode_clips(
    read: ReadClip,
    clips: Sequence[Clip],
    codec: FrameCodec,
    write: Callable[[str, np.ndarray], None],
    recall: RecallOf = _anew,
) -> int:
    """Give every clip's name and frames to ``write``; returns how many frames there are in all.

    Frames are float16, as they are kept. ``recall`` may know those of clips encoded before.
    """

    def encode(clip: Clip) -> int:
        made = recall(clip)(
            (codec.to_json(),), lambda: {"frames": codec.encode(read(clip)).astype(FRAMES_DTYPE)}
        )
        write(clip.name, made["frames"])
        return len(made["frames"])

    return sum(each_apart(encode, clips, desc="spectrograms"))


def measure_round_trip(
    read: ReadClip, clips: Sequence[Clip], codec: FrameCodec
) -> dict[str, float]:
    """Mean :func:`~soundloom.spectral.round_trip.round_trip_errors` of a few clips."""
    chosen = [clips[index] for index in evenly_spaced(len(clips), _N_ROUND_TRIPS)]
    errors = each(_round_trip, chosen, read, codec, desc="round trips")
    return {key: float(np.mean([error[key] for error in errors])) for key in errors[0]}


def _level_ranges(
    samples: np.ndarray,
    parts: Sequence[tuple[int, int]],
    config: SpectrogramConfig,
    sample_rate_hz: int,
) -> Arrays:
    return {
        str(start): FrameCodec.level_range(samples[start:end], config, sample_rate_hz)
        for start, end in parts
        if len(samples[start:end]) >= config.n_fft
    }


def _round_trip(clip: Clip, read: ReadClip, codec: FrameCodec) -> dict[str, float]:
    return round_trip_errors(read(clip)[: _ROUND_TRIP_SECONDS * codec.sample_rate_hz], codec)
