"""``data/spectrogram``: frames and codec come back, for any number of clips."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np

from recordings import music
from soundloom.config import Config
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.files import FrameFolder

RATE_HZ = 22_050


def test_frames_keep_their_precision(tmp_path: Path) -> None:
    folder = FrameFolder(tmp_path)
    frames = np.random.default_rng(0).uniform(0, 1, (10, 4)).astype(np.float32)
    folder.write("clip", frames)
    assert folder.read("clip").dtype == np.float16
    # Half a step of 2**-11 at most: 0.02 dB of a range of 80 dB.
    np.testing.assert_allclose(folder.read("clip"), frames, atol=2**-12)


def test_more_clips_than_file_descriptors(tmp_path: Path) -> None:
    folder = FrameFolder(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, limits[1]))
    try:
        for number in range(500):
            folder.write(f"clip{number}", np.full((1, 1), number))
            folder.read(f"clip{number}")
        assert folder.read("clip7") == 7
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_codec_decodes_as_before_it_was_written(tmp_path: Path, config: Config) -> None:
    samples = music(1, RATE_HZ)
    extremes = FrameCodec.level_range(samples, config.spectrogram, RATE_HZ)
    codec = FrameCodec.fit([extremes], config.spectrogram, RATE_HZ)
    FrameFolder(tmp_path).write_codec(codec)
    again = FrameFolder(tmp_path).read_codec()
    assert again.sample_rate_hz == RATE_HZ
    frames = codec.encode(samples)
    np.testing.assert_array_equal(again.encode(samples), frames)
    np.testing.assert_array_equal(again.decode(frames), codec.decode(frames))
