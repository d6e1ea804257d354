"""Clips to frames: the scaler is fitted on training audio alone, every clip gets its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from recordings import music
from soundloom.cache.files import Cache
from soundloom.common.errors import SoundloomError
from soundloom.common.io import folder_written_aside
from soundloom.common.recall import Recall, anew
from soundloom.config import Config
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.spectral import encoding
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.encoding import RecallOf, encode_clips, fit_codec, measure_round_trip
from soundloom.spectral.files import LevelsAside

RATE_HZ = 22_050


def make_clip(name: str, n_samples: int) -> Clip:
    return Clip(f"{name}.wav", name, 0, n_samples, None, None, "")


def codec_of(
    audio: Mapping[str, np.ndarray], segments: Sequence[Segment], config: SpectrogramConfig
) -> FrameCodec:
    clips = [make_clip(name, len(samples)) for name, samples in audio.items()]
    return fit_codec(lambda clip: audio[clip.name], clips, segments, config, RATE_HZ)


@pytest.fixture
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's has left."""
    monkeypatch.setattr("soundloom.spectral.files._LEFT_FREE_BYTES", 0)


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
    # Kept as float16; and linear algebra on another number of threads rounds otherwise.
    np.testing.assert_allclose(written["b"], codec.encode(audio["b"]), atol=3e-4)
    assert n_frames == 87 + 173 + 259
    errors = measure_round_trip(lambda clip: audio[clip.name], clips, codec)
    assert 0 < errors["spectral_convergence"] < 0.5


def test_of_a_clip_known_from_before_nothing_is_read(config: Config, project: Path) -> None:
    audio = {name: 0.5 * music(1, RATE_HZ, seed) for seed, name in enumerate("abcd")}
    lengths: list[int] = []

    def read(clip: Clip) -> np.ndarray:
        lengths.append(clip.n_samples)
        return audio[clip.name]

    def recall_of(clip: Clip) -> Recall:
        known = Cache("frames", ("spectral",)).recall
        return lambda made_of, make: known((audio[clip.name], *made_of), make)

    def frames_of(names: str, recall: RecallOf) -> dict[str, np.ndarray]:
        clips = [make_clip(name, len(audio[name])) for name in names]
        segments = [Segment(name, 0, RATE_HZ, "train") for name in names if name in "abd"]
        codec = fit_codec(read, clips, segments, config.spectrogram, RATE_HZ, recall=recall)
        written: dict[str, np.ndarray] = {}
        encode_clips(read, clips, codec, written.__setitem__, recall)
        return written

    def same_and_reading(names: str, n_read: int) -> None:
        lengths.clear()
        found = frames_of(names, recall_of)
        assert len(lengths) == n_read
        for name, frames in frames_of(names, lambda clip: anew).items():
            assert np.array_equal(found[name], frames)
            assert (found[name].dtype, found[name].strides) == (frames.dtype, frames.strides)

    same_and_reading("abc", 2 + 3)
    same_and_reading("abc", 0)
    audio["c"] = 0.9 * audio["c"]
    same_and_reading("abc", 1)
    same_and_reading("acb", 0)
    # Louder than all others, it moves the scale of them all; but not what is known of their levels.
    audio["d"] = np.clip(30 * audio["d"], -1, 1)
    same_and_reading("abcd", 1 + 4)


def test_clips_all_for_training_are_read_once(
    config: Config, tmp_path: Path, roomy_disk: None
) -> None:
    audio = {name: 0.5 * music(2, RATE_HZ, seed) for seed, name in enumerate("abcd")}
    clips = [make_clip(name, len(samples)) for name, samples in audio.items()]
    segments = [
        Segment("a", 0, 2 * RATE_HZ, "train"),
        Segment("b", 0, RATE_HZ, "train"),
        Segment("b", RATE_HZ, 2 * RATE_HZ, "test"),
        Segment("c", 0, 2 * RATE_HZ, "test"),
        Segment("d", 0, 2 * RATE_HZ, "train"),
    ]
    read: list[str] = []

    def recorded(clip: Clip) -> np.ndarray:
        read.append(clip.name)
        return audio[clip.name]

    def frames_of(levels: LevelsAside | None) -> dict[str, np.ndarray]:
        read.clear()
        keep, take = (levels.keep, levels.take) if levels else (None, lambda name: None)
        codec = fit_codec(recorded, clips, segments, config.spectrogram, RATE_HZ, keep=keep)
        written: dict[str, np.ndarray] = {}
        encode_clips(recorded, clips, codec, written.__setitem__, take=take)
        return written

    folder = tmp_path / "levels"
    with LevelsAside(folder) as levels:
        kept = frames_of(levels)
        assert sorted(read) == ["a", "b", "b", "c", "d"]
    assert not folder.exists()
    anew = frames_of(None)
    assert sorted(read) == ["a", "a", "b", "b", "c", "d", "d"]
    for name, frames in anew.items():
        assert np.array_equal(kept[name], frames)


def test_levels_are_kept_as_far_as_there_is_room(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = music(1, RATE_HZ)
    clips = [make_clip(name, len(samples)) for name in "abc"]
    segments = [Segment(clip.name, 0, clip.n_samples, "train") for clip in clips]

    def kept(n_clips: float, channels: int = 1) -> list[str]:
        bytes_of_a_clip = 4 * config.spectrogram.n_bins * config.spectrogram.n_frames(len(samples))
        monkeypatch.setattr(encoding, "_MOST_KEPT_BYTES", int(n_clips * bytes_of_a_clip))
        names: list[str] = []
        fit_codec(
            lambda clip: samples, clips, segments, config.spectrogram, RATE_HZ, channels,
            keep=lambda name, levels: names.append(name),
        )  # fmt: skip
        return sorted(names)

    assert kept(2.5) == ["a", "b"]
    assert kept(10) == ["a", "b", "c"]
    assert kept(10, channels=2) == []


def test_levels_can_be_taken_once(tmp_path: Path, roomy_disk: None) -> None:
    levels = LevelsAside(tmp_path / "levels")
    assert levels.take("a") is None
    levels.keep("a", np.array([[1.0, 2.0]], np.float32))
    taken = levels.take("a")
    assert taken is not None
    assert taken.tolist() == [[1.0, 2.0]]
    assert levels.take("a") is None


def test_levels_are_kept_only_where_there_is_room_for_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = LevelsAside(tmp_path / "levels")
    monkeypatch.setattr("soundloom.spectral.files._LEFT_FREE_BYTES", 1 << 62)
    levels.keep("a", np.zeros((1, 2), np.float32))
    assert levels.take("a") is None
    monkeypatch.setattr("soundloom.spectral.files._LEFT_FREE_BYTES", 0)
    (tmp_path / "levels").touch()  # in the way of the folder
    levels.keep("a", np.zeros((1, 2), np.float32))


def test_a_clip_that_is_gone_is_named_as_it_is(
    project: Path, config: Config, tmp_path: Path
) -> None:
    """Not as if the frames could not be written."""
    known = Cache("levels", ("spectral",)).recall
    clip = make_clip("a", RATE_HZ)

    def recall(clip: Clip) -> Recall:
        return lambda made_of, make: known((project / clip.file, *made_of), make)

    with (
        pytest.raises(SoundloomError, match=r"^.*a\.wav: no such file$"),
        folder_written_aside(tmp_path / "frames"),
    ):
        fit_codec(
            lambda clip: np.zeros(RATE_HZ), [clip], [Segment("a", 0, RATE_HZ, "train")],
            config.spectrogram, RATE_HZ, recall=recall,
        )  # fmt: skip
