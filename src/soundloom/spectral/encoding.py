"""Clips → a fitted codec, frames, and what the round trip loses; clip by clip, in parallel.

``read`` gives a clip's audio, mono or stereo; what is made of it is handed on at once, so that
memory is bounded by a few clips. The codec is fitted on levels, and frames are made of levels:
those of whole clips may be kept aside in between, so that a clip is analysed once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from soundloom.common.channels import in_channels
from soundloom.common.evenly import evenly_spaced
from soundloom.common.parallel import each, each_apart
from soundloom.common.recall import Arrays, Recall, anew
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.spectral.codec import FRAMES_DTYPE, FrameCodec, range_of
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.round_trip import round_trip_errors
from soundloom.spectral.spectrogram import analyse

ReadClip = Callable[[Clip], np.ndarray]
RecallOf = Callable[[Clip], Recall]
"""What may know what is made of a clip's audio, and of what is named beside."""

Keep = Callable[[str, np.ndarray], None]
"""Keeps the levels of the clip of this name."""
Take = Callable[[str], np.ndarray | None]
"""The levels that were kept of the clip of this name, if any."""

# Of seven hours. They take twice as much as all frames do, which a disk may not have beside them.
_MOST_KEPT_BYTES = 1 << 31

# The round trip is measured on this many clips, for this long: seconds of work, not minutes.
_N_ROUND_TRIPS, _ROUND_TRIP_SECONDS = 4, 10


def _anew(clip: Clip) -> Recall:
    return anew


def _nothing(clip_name: str) -> None:
    return None


def fit_codec(
    read: ReadClip,
    clips: Sequence[Clip],
    segments: Sequence[Segment],
    config: SpectrogramConfig,
    sample_rate_hz: int,
    channels: int = 1,
    recall: RecallOf = _anew,
    keep: Keep | None = None,
) -> FrameCodec:
    """Fit the scaler on the training segments alone.

    ``keep`` is given the levels of clips of which all is for training, as far as there shall be
    room for them; of stereo none, as frames of it are made of more.
    """
    training: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for segment in segments:
        if segment.part == "train":
            training[segment.clip].append((segment.start_sample, segment.end_sample))
    used = [(clip, training[clip.name]) for clip in clips if clip.name in training]
    n_frames = np.cumsum([config.n_frames(clip.n_samples) for clip, _ in used])
    n_kept = _MOST_KEPT_BYTES // (4 * config.n_bins) if keep and channels == 1 else 0
    kept = {clip.name for (clip, _), n in zip(used, n_frames, strict=True) if n <= n_kept}

    def level_ranges(of_training: tuple[Clip, list[tuple[int, int]]]) -> Arrays:
        clip, parts = of_training
        made_of = (parts, config.model_dump(), sample_rate_hz, channels)

        def make() -> Arrays:
            samples, ranges = read(clip), {}
            for start, end in parts:
                part = in_channels(samples[start:end], 1)
                if len(part) >= config.n_fft:
                    levels = analyse(part, config, sample_rate_hz)
                    ranges[str(start)] = range_of(levels)
                    if keep and clip.name in kept and len(part) == len(samples):
                        keep(clip.name, levels)
            return ranges

        return recall(clip)(made_of, make)

    ranges = each_apart(level_ranges, used, desc="level ranges")
    found = (one for some in ranges for one in some.values())
    return FrameCodec.fit(found, config, sample_rate_hz, channels)


def encode_clips(
    read: ReadClip,
    clips: Sequence[Clip],
    codec: FrameCodec,
    write: Callable[[str, np.ndarray], None],
    recall: RecallOf = _anew,
    take: Take = _nothing,
) -> int:
    """Give every clip's name and frames to ``write``; returns how many frames there are in all.

    Frames are float16, as they are kept. ``recall`` may know those of clips encoded before, and
    ``take`` the levels that :func:`fit_codec` kept.
    """

    def encode(clip: Clip) -> int:
        def make() -> Arrays:
            levels = take(clip.name)
            frames = codec.encode(read(clip)) if levels is None else codec.frames(levels)
            return {"frames": frames.astype(FRAMES_DTYPE)}

        made = recall(clip)((codec.to_json(),), make)
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


def _round_trip(clip: Clip, read: ReadClip, codec: FrameCodec) -> dict[str, float]:
    return round_trip_errors(read(clip)[: _ROUND_TRIP_SECONDS * codec.sample_rate_hz], codec)
