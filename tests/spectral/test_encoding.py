"""Clips to frames: the scaler is fitted on training audio alone, every clip gets its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recordings import music
from soundloom.config import Config
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.encoding import encode_clips, fit_codec, measure_round_trip

RATE_HZ = 22_050


def make_clip(name: str, n_samples: int) -> Clip:
    return Clip(f"{name}.wav", name, 0, n_samples, None, None, "")


def codec_of(
    audio: Mapping[str, np.ndarray], segments: Sequence[Segment], config: SpectrogramConfig
) -> FrameCodec:
    clips = [make_clip(name, len(samples)) for name, samples in audio.items()]
    return fit_codec(lambda clip: audio[clip.name], clips, segments, config, RATE_HZ)


def test_held_out_audio_does_not_move_the_scale(config: Config) -> None:
    segments = [
        Segment("training", 0, 4 * RATE_HZ, "train"),
        Segment("held_out", 0, RATE_HZ, "validation"),
        Segment("held_out", 2 * RATE_HZ, 3 * RATE_HZ, "test"),
    ]
    quiet, loud = (
        {
            "training": 0.3 * music(4, RATE_HZ),
            "held_out": loudness * music(4, RATE_HZ, seed=1),
        }
        for loudness in (0.1, 1.0)
    )
    scale = codec_of(quiet, segments, config.spectrogram).to_json()
    assert codec_of(loud, segments, config.spectrogram).to_json() == scale
    segments.append(Segment("held_out", 0, 4 * RATE_HZ, "train"))
    assert codec_of(loud, segments, config.spectrogram).to_json() != scale


def test_of_a_clip_only_its_training_segments_count(config: Config) -> None:
    audio = {"a": np.concatenate([0.1 * music(2, RATE_HZ), music(2, RATE_HZ)])}
    segments = [Segment("a", 0, 2 * RATE_HZ, "train")]
    codec = codec_of(audio, segments, config.spectrogram)
    assert codec.to_json()["scaler_maximum"][0] < -25


def test_every_clip_has_its_frames(config: Config) -> None:
    audio = {name: music(1 + number, RATE_HZ) for number, name in enumerate("abc")}
    clips = [make_clip(name, len(samples)) for name, samples in audio.items()]
    segments = [Segment(clip.name, 0, clip.n_samples, "train") for clip in clips]
    codec = codec_of(audio, segments, config.spectrogram)
    written: dict[str, np.ndarray] = {}
    n_frames = encode_clips(lambda clip: audio[clip.name], clips, codec, written.__setitem__)
    n_bins = config.spectrogram.n_bins
    assert {name: frames.shape for name, frames in written.items()} == {
        "a": (87, n_bins), "b": (173, n_bins), "c": (259, n_bins),
    }  # fmt: skip
    # Linear algebra on another number of threads rounds otherwise.
    np.testing.assert_allclose(written["b"], codec.encode(audio["b"]), atol=1e-6)
    assert n_frames == 87 + 173 + 259
    errors = measure_round_trip(lambda clip: audio[clip.name], clips, codec)
    assert 0 < errors["spectral_convergence"] < 0.5
