"""The beat clock: where the beats of clicks are, and what it makes of noise and silence."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clicks import FRAMES_PER_SECOND, N_BINS, click_frames, sequences
from soundloom.models.conditioning.beat_clock import (
    BeatClock,
    beat_phases,
    tempo_and_strengths,
)
from soundloom.models.conditioning.tempo import Tempo

# Phases are cosine and sine by ratio and band; the middle band's at the beat, and at twice it.
BEAT, HALVES = (2 * 3 + 1) * 2, (3 * 3 + 1) * 2


def tempo_of(frames: np.ndarray) -> Tempo:
    return Tempo.found_in(frames, FRAMES_PER_SECOND)


@settings(max_examples=25, deadline=None)
@given(st.floats(90.0, 150.0), st.integers(0, 30))
def test_phases_are_the_same_at_every_beat_and_beyond_the_end(bpm: float, first: int) -> None:
    tempo = tempo_of(click_frames(bpm, first))
    beats = first + np.arange(16) * FRAMES_PER_SECOND * 60.0 / bpm
    at_beats = beat_phases(tempo, beats)[0, :, BEAT : BEAT + 2]
    # The envelope is largest at the beat, so its component is too: the first of a pair near 1.
    assert at_beats[:, 0].min() > 0.7
    between = beat_phases(tempo, beats + 0.5 * FRAMES_PER_SECOND * 60.0 / bpm)[0, :, BEAT]
    assert between.max() < -0.7


def test_phases_of_frames_and_of_a_later_cut_agree() -> None:
    frames = click_frames(112.0, 7.0, n_frames=600)
    whole, later = (tempo_of(part) for part in (frames, frames[:, 88:]))
    places = np.arange(300.0, 320.0)
    np.testing.assert_allclose(
        beat_phases(whole, places)[..., HALVES],
        beat_phases(later, places - 88.0)[..., HALVES],
        atol=0.25,
    )


def test_noise_and_silence_have_weak_phases() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((4, 512, N_BINS)).astype(np.float32)
    strengths = tempo_and_strengths(tempo_of(noise), FRAMES_PER_SECOND)[:, 1:]
    assert strengths.mean() < 0.2
    clear = tempo_and_strengths(tempo_of(click_frames(112.0, 7.0)), FRAMES_PER_SECOND)[:, 1:]
    assert clear[0, BEAT // 2] > 2 * strengths.mean()
    silence = tempo_of(np.zeros((1, 50, N_BINS), np.float32))
    assert (beat_phases(silence, np.arange(5.0)) == 0.0).all()
    assert np.isfinite(tempo_and_strengths(silence, FRAMES_PER_SECOND)).all()


def test_phases_lie_within_the_unit_circle() -> None:
    frames = np.random.default_rng(0).random((3, 40, 24)).astype(np.float32)
    phases = beat_phases(tempo_of(frames), np.arange(7.5))
    assert phases.shape == (3, 8, 36)
    assert phases.dtype == np.float32
    assert (np.hypot(phases[..., ::2], phases[..., 1::2]) <= 1.0).all()


def test_a_step_has_the_phases_of_the_one_to_come_also_after_the_prompt() -> None:
    frames = click_frames(112.0, 7.0, n_frames=40)
    latents = np.zeros((1, 20, 4), np.float32)
    features = BeatClock().features(sequences(frames, latents, n_to_come=6))
    assert features.scheduled is not None
    assert features.constant is not None
    # The first step to be predicted is the second: frames 2 and 3. The last is step 25.
    places = 2.0 * np.arange(1, 26) + 0.5
    np.testing.assert_array_equal(features.scheduled, beat_phases(tempo_of(frames), places))
    widths = BeatClock.widths(4)
    assert features.scheduled.shape[-1] == widths.scheduled
    assert features.constant.shape == (1, widths.constant)
