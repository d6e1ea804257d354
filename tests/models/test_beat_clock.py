"""The clock: clicks whose tempo and places are known, and what it says of noise and silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.config import Config
from soundloom.evaluation.metrics.rhythm import tempo_agrees
from soundloom.models.clock import N_HANDS, N_TOLD, Clock
from soundloom.spectral.codec import FrameCodec

FRAMES_PER_SECOND = 86.1
N_BINS = 32
# Hands are sine and cosine by ratio and band; the middle band's at the beat, and at twice it.
BEAT, HALVES = (2 * 3 + 1) * 2, (3 * 3 + 1) * 2


def clicks(bpm: float, first_frame: float, n_frames: int = 512) -> np.ndarray:
    """``(1, n_frames, N_BINS)``: every beat a bright frame that fades, a faint one halfway."""
    frames = np.full((1, n_frames, N_BINS), 0.1, np.float32)
    spacing = FRAMES_PER_SECOND * 60.0 / bpm / 2
    for number, place in enumerate(np.arange(first_frame, n_frames, spacing)):
        fade = (0.8 if number % 2 == 0 else 0.1) * 0.6 ** np.arange(12)
        rest = frames[0, round(place) : round(place) + 12]
        rest += fade[: len(rest), None]
    return np.clip(frames, 0.0, 1.0)


def bpm_of(clock: Clock) -> float:
    return float(clock.beats_per_frame[0]) * FRAMES_PER_SECOND * 60.0


@settings(max_examples=25, deadline=None)
@given(st.floats(90.0, 150.0), st.floats(0.0, 30.0))
def test_the_tempo_of_clicks(bpm: float, first_frame: float) -> None:
    clock = Clock.found_in(clicks(bpm, first_frame), FRAMES_PER_SECOND)
    assert bpm_of(clock) == pytest.approx(bpm, rel=0.015)


@settings(max_examples=25, deadline=None)
@given(st.floats(90.0, 150.0), st.integers(0, 30))
def test_hands_point_the_same_way_at_every_beat_and_beyond_the_end(
    bpm: float, first_frame: int
) -> None:
    clock = Clock.found_in(clicks(bpm, first_frame), FRAMES_PER_SECOND)
    beats = first_frame + np.arange(16) * FRAMES_PER_SECOND * 60.0 / bpm
    at_beats = clock.hands(beats)[0, :, BEAT : BEAT + 2]
    # The envelope is largest at the beat, so its component is too: the first of a pair near 1.
    assert at_beats[:, 0].min() > 0.7
    between = clock.hands(beats + 0.5 * FRAMES_PER_SECOND * 60.0 / bpm)[0, :, BEAT]
    assert between.max() < -0.7


def test_hands_of_frames_and_of_a_later_cut_agree() -> None:
    frames = clicks(112.0, 7.0, n_frames=600)
    whole, later = (Clock.found_in(part, FRAMES_PER_SECOND) for part in (frames, frames[:, 88:]))
    places = np.arange(300.0, 320.0)
    np.testing.assert_allclose(
        whole.hands(places)[..., HALVES], later.hands(places - 88.0)[..., HALVES], atol=0.25
    )


def test_the_tempo_of_the_built_in_band_in_five_seconds(config: Config) -> None:
    right = []
    for song in range(5):
        samples = perform(0, song, 15.0, 22_050)
        codec_range = FrameCodec.level_range(samples, config.spectrogram, 22_050)
        frames = FrameCodec.fit([codec_range], config.spectrogram, 22_050).encode(samples)
        parts = np.stack([frames[start : start + 430] for start in (0, 430, 860)])
        rate = config.spectrogram.frames_per_second(22_050)
        tempi = Clock.found_in(parts, rate).beats_per_frame * rate * 60.0
        true_bpm = compose(0, song, 15.0).truth()["tempo_bpm"]
        right += [tempo_agrees(bpm, true_bpm) for bpm in tempi]
    assert np.mean(right) >= 0.9


def test_noise_and_silence_have_weak_hands() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((4, 512, N_BINS)).astype(np.float32)
    strengths = Clock.found_in(noise, FRAMES_PER_SECOND).told(FRAMES_PER_SECOND)[:, 1:]
    assert strengths.mean() < 0.2
    clear = Clock.found_in(clicks(112.0, 7.0), FRAMES_PER_SECOND).told(FRAMES_PER_SECOND)[:, 1:]
    assert clear[0, BEAT // 2] > 2 * strengths.mean()
    silence = Clock.found_in(np.zeros((1, 50, N_BINS), np.float32), FRAMES_PER_SECOND)
    assert (silence.hands(np.arange(5.0)) == 0.0).all()
    assert np.isfinite(silence.told(FRAMES_PER_SECOND)).all()


def test_shapes_even_of_one_frame_and_of_one_bin() -> None:
    for n_frames, n_bins in ((1, 24), (2, 1), (40, 24)):
        frames = np.random.default_rng(0).random((3, n_frames, n_bins)).astype(np.float32)
        clock = Clock.found_in(frames, FRAMES_PER_SECOND)
        hands = clock.hands(np.arange(7.5))
        assert hands.shape == (3, 8, N_HANDS)
        assert hands.dtype == np.float32
        assert (np.hypot(hands[..., ::2], hands[..., 1::2]) <= 1.0).all()
        told = clock.told(FRAMES_PER_SECOND)
        assert told.shape == (3, N_TOLD)
        assert np.isfinite(told).all()


def test_a_clock_does_not_depend_on_those_beside_it() -> None:
    both = np.concatenate([clicks(90.0, 3.0), clicks(130.0, 11.0)])
    alone = Clock.found_in(both[1:], FRAMES_PER_SECOND)
    beside = Clock.found_in(both, FRAMES_PER_SECOND)
    np.testing.assert_allclose(
        beside.hands(np.arange(9.0))[1], alone.hands(np.arange(9.0))[0], atol=1e-6
    )
