"""Clips on disk to frames: the scaler hears training audio alone, every clip gets its frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from recordings import music
from soundloom.common.folders import FrameFolder
from soundloom.config import Config
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.spectral.encoding import encode_clips, fit_codec, measure_round_trip, spread

RATE_HZ = 22_050


def write_clip(folder: Path, name: str, samples: np.ndarray) -> Clip:
    soundfile.write(folder / f"{name}.wav", samples, RATE_HZ, "PCM_16")
    return Clip(f"{name}.wav", name, 0, len(samples), None, None, "")


def test_held_out_audio_does_not_move_the_scale(tmp_path: Path, config: Config) -> None:
    training = write_clip(tmp_path, "training", 0.3 * music(4, RATE_HZ))
    segments = [
        Segment("training", 0, training.n_samples, "train"),
        Segment("held_out", 0, RATE_HZ, "validation"),
        Segment("held_out", 2 * RATE_HZ, 3 * RATE_HZ, "test"),
    ]
    codecs = []
    for loudness in (0.1, 1.0):
        held_out = write_clip(tmp_path, "held_out", loudness * music(4, RATE_HZ, seed=1))
        clips = [training, held_out]
        codecs.append(fit_codec(tmp_path, clips, segments, config.spectrogram, RATE_HZ).to_json())
    assert codecs[0] == codecs[1]
    segments.append(Segment("held_out", 0, 4 * RATE_HZ, "train"))
    moved = fit_codec(tmp_path, clips, segments, config.spectrogram, RATE_HZ).to_json()
    assert moved != codecs[0]


def test_of_a_clip_only_its_training_segments_count(tmp_path: Path, config: Config) -> None:
    quiet_then_loud = np.concatenate([0.1 * music(2, RATE_HZ), music(2, RATE_HZ)])
    clip = write_clip(tmp_path, "a", quiet_then_loud)
    codec = fit_codec(
        tmp_path, [clip], [Segment("a", 0, 2 * RATE_HZ, "train")], config.spectrogram, RATE_HZ
    )
    assert codec.to_json()["scaler_maximum"][0] < -25


def test_every_clip_has_its_frames(tmp_path: Path, config: Config) -> None:
    clips = [write_clip(tmp_path, name, music(1 + n, RATE_HZ)) for n, name in enumerate("abc")]
    segments = [Segment(clip.name, 0, clip.n_samples, "train") for clip in clips]
    codec = fit_codec(tmp_path, clips, segments, config.spectrogram, RATE_HZ)
    n_frames = encode_clips(tmp_path, clips, codec, tmp_path / "frames")
    written = [FrameFolder(tmp_path / "frames").read(clip.name) for clip in clips]
    n_bins = config.spectrogram.n_bins
    assert [frames.shape for frames in written] == [(87, n_bins), (173, n_bins), (259, n_bins)]
    assert n_frames == 87 + 173 + 259
    errors = measure_round_trip(tmp_path, clips, codec)
    assert 0 < errors["spectral_convergence"] < 0.5


@pytest.mark.parametrize(
    ("n_clips", "wanted", "places"), [(10, 3, [0, 3, 6]), (2, 5, [0, 1]), (5, 0, [])]
)
def test_spread(n_clips: int, wanted: int, places: list[int]) -> None:
    clips = [Clip(f"{n}.wav", "", 0, 0, None, None, "") for n in range(n_clips)]
    assert [int(clip.name) for clip in spread(clips, wanted)] == places
