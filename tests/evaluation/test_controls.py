"""Controls are what they claim to be: real audio decoded again, a drone, noise, copies."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.audio.levels import rms_dbfs
from soundloom.band.mix import perform
from soundloom.evaluation.controls import (
    MADE_ANEW,
    blurred,
    last_frame,
    make_controls,
    noise_like,
    prompt_loop,
    resynthesised,
    splice,
)
from soundloom.evaluation.metrics.fine_structure import describe
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.movement import frame_change

RATE_HZ = 22_050


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return perform(0, 1, 6.0, RATE_HZ)


@pytest.fixture(scope="module")
def codec(music: np.ndarray) -> FrameCodec:
    config = SpectrogramConfig(
        kind="mel", n_fft=1280, hop_samples=256, n_mels=224, amplitude="db", range_db=80.0,
        log1p_gain=1000.0, scaler="global", griffin_lim_iterations=2, n_previews=0,
    )  # fmt: skip
    return FrameCodec.fit([FrameCodec.level_range(music, config, RATE_HZ)], config, RATE_HZ)


@pytest.mark.slow
def test_every_control_is_made_of_what_it_claims(
    codec: FrameCodec, music: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundloom.evaluation.controls.SECONDS", 7.0)
    real = {"loud": music, "quiet": 0.5 * music[: 5 * RATE_HZ]}
    made = dict(
        make_controls(
            codec, {"song": music}, real,
            prompt_seconds=2.0, with_band=True, n_windows=200, seed=3, jobs=2,
        )
    )  # fmt: skip
    assert list(made) == [
        "resynthesised", "blurred", "splice", "prompt_loop", "other_music", "last_frame", "noise",
    ]  # fmt: skip
    for name in MADE_ANEW:
        again = made.pop(name)
        assert {name: len(samples) for name, samples in again.items()} == {
            "loud": 6 * RATE_HZ, "quiet": 5 * RATE_HZ,
        }  # fmt: skip
    for name, recordings in made.items():
        assert [len(samples) for samples in recordings.values()] == [7 * RATE_HZ] * 8, name
        assert all(np.abs(samples).max() <= 1.0 for samples in recordings.values()), name
    # Made from one held-out recording after the other, and from the prompt at its beginning.
    levels = [rms_dbfs(samples) for samples in made["noise"].values()]
    assert levels[::2] == pytest.approx([rms_dbfs(real["loud"])] * 4, abs=0.3)
    assert levels[1::2] == pytest.approx([rms_dbfs(real["quiet"])] * 4, abs=0.3)
    drone = last_frame(codec, real["quiet"][: 2 * RATE_HZ], 7 * RATE_HZ)
    assert np.allclose(made["last_frame"]["1"], drone, atol=1e-4)
    loop = prompt_loop(real["quiet"][: 2 * RATE_HZ], 7 * RATE_HZ, RATE_HZ)
    assert np.array_equal(made["prompt_loop"]["1"], loop)
    assert np.allclose(made["other_music"]["4"], perform(3, 4, 7.0, RATE_HZ), atol=1e-4)


def test_a_corpus_of_the_bands_has_no_other_music(
    codec: FrameCodec, music: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundloom.evaluation.controls.SECONDS", 4.0)
    made = make_controls(
        codec, {"a": music}, {"b": music},
        prompt_seconds=2.0, with_band=False, n_windows=60, seed=0, jobs=2,
    )  # fmt: skip
    names = [next(made)[0] for _ in range(5)]
    assert names == ["resynthesised", "blurred", "splice", "prompt_loop", "last_frame"]


@pytest.mark.parametrize(
    ("n_windows", "n_recordings", "seconds"),
    [(10, 2, 7.5), (31, 4, 12.0), (80, 8, 15.0), (160, 8, 30.0), (900, 8, 30.0)],
)
def test_as_much_audio_as_the_windows_need(
    codec: FrameCodec, music: np.ndarray, n_windows: int, n_recordings: int, seconds: float
) -> None:
    made = make_controls(
        codec, {"a": music}, {"b": music[:RATE_HZ]},
        prompt_seconds=1.0, with_band=False, n_windows=n_windows, seed=0, jobs=2,
    )  # fmt: skip
    for _ in MADE_ANEW:
        next(made)
    lengths = [len(samples) for samples in next(made)[1].values()]
    assert lengths == [round(seconds * RATE_HZ)] * n_recordings


def test_resynthesis_keeps_length_and_frames(codec: FrameCodec, music: np.ndarray) -> None:
    again = resynthesised(codec, music)
    assert again.shape == music.shape
    assert np.abs(again).max() <= 1.0
    frames, frames_again = codec.encode(music), codec.encode(again)
    assert np.corrcoef(frames.ravel(), frames_again.ravel())[0, 1] > 0.95


def test_blur_is_told_from_real_audio_by_its_fine_structure(
    codec: FrameCodec, music: np.ndarray
) -> None:
    blurry = blurred(codec, music)
    assert blurry.shape == music.shape
    again, real = describe(resynthesised(codec, music), RATE_HZ), describe(music, RATE_HZ)
    found = describe(blurry, RATE_HZ)
    for name in ("frame_change_db", "onset_sharpness", "harmonic_contrast_db"):
        lost, of_the_codec = abs(found[name] - real[name]), abs(again[name] - real[name])
        assert lost > 1.1 * of_the_codec, name  # real, resynthesised, blurred: in this order
        assert found[name] < again[name], name
    fast = [name for name in real if name.endswith("8_to_20_hz_db")]
    lost, of_the_codec = (
        sum(abs(one[name] - real[name]) for name in fast) for one in (found, again)
    )
    assert lost > 1.3 * of_the_codec
    assert found["onset_sharpness"] < 0.6 * real["onset_sharpness"]
    assert found["harmonic_contrast_db"] < real["harmonic_contrast_db"] - 1.5
    assert rms_dbfs(blurry) == pytest.approx(rms_dbfs(music), abs=0.2)
    assert np.abs(blurred(codec, np.zeros(RATE_HZ, np.float32))).max() < 1e-6


def test_a_held_frame_is_the_prompts_last_and_does_not_move(
    codec: FrameCodec, music: np.ndarray
) -> None:
    quiet_end = np.concatenate([music, np.zeros(RATE_HZ // 2, np.float32)])
    held = last_frame(codec, music, 2 * RATE_HZ)
    assert held.shape == (2 * RATE_HZ,)
    assert frame_change(codec.encode(held)) < 0.5 * frame_change(codec.encode(music))
    assert rms_dbfs(last_frame(codec, quiet_end, RATE_HZ)) < rms_dbfs(held) - 20.0


def test_noise_is_white_and_as_loud(music: np.ndarray) -> None:
    noise = noise_like(music, np.random.default_rng(0))
    assert noise.shape == music.shape
    assert rms_dbfs(noise) == pytest.approx(rms_dbfs(music), abs=0.2)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = np.array_split(power, 2)
    assert low.mean() == pytest.approx(high.mean(), rel=0.1)


def test_a_splice_is_made_of_pieces_of_the_clips() -> None:
    ramps = {
        str(start): np.linspace(start, start + 0.4, 8 * 1000, dtype=np.float32)
        for start in (0.0, 0.5)
    }
    made = splice(ramps, 30_000, 1000, np.random.default_rng(0))
    assert made.shape == (30_000,)
    # Within a piece the slope is a clip's; only crossfades differ, 20 ms of every 4 s.
    slopes = np.diff(made)
    assert np.mean(np.isclose(slopes, 0.4 / 7999, atol=1e-6)) > 0.98
    assert {False, True} == set((made > 0.45).tolist())  # both clips are in it
    again = splice(ramps, 30_000, 1000, np.random.default_rng(0))
    assert np.array_equal(made, again)


def test_clips_shorter_than_a_piece_are_spliced_whole() -> None:
    short = np.full(1500, 0.25, np.float32)
    made = splice({"short": short}, 5000, 1000, np.random.default_rng(0))
    assert made == pytest.approx(np.full(5000, 0.25))


def test_a_loop_repeats_the_end_of_its_prompt() -> None:
    prompt = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    made = prompt_loop(prompt, 30_000, 1000)
    assert made.shape == (30_000,)
    assert np.array_equal(made[:2980], prompt[-3000:-20])
    # One period: 3 s less the 20 ms in which it fades into itself.
    assert np.array_equal(made[2980:27_000], made[5960:29_980])
    assert np.abs(made).max() <= 1.0


@pytest.mark.parametrize("length", [1, 2, 15, 700])
def test_the_least_audio_can_be_prompt_loop(length: int) -> None:
    made = prompt_loop(np.full(length, 0.25, np.float32), 5000, 1000)
    assert made == pytest.approx(np.full(5000, 0.25))
