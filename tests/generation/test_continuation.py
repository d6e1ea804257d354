"""Prompts and continuations: where they begin, how long they are, and that seeds rule them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from params import small_config
from recordings import music
from small_models import built, small_codec
from soundloom.audio.levels import side_to_mid_db
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.generation.config import GenerateConfig
from soundloom.generation.continuation import continue_prompts, decode, join, prompt_frames
from soundloom.generation.prompts import choose_prompts, held_out_prompt, prompt_from_end

RATE_HZ = 22_050


def test_prompts_are_spread_over_the_segments() -> None:
    segments = [Segment(f"clip{number}", 0, 1000, "test") for number in range(8)]
    places = choose_prompts(segments, 4, 100, 200)
    assert [place.clip for place in places] == ["clip0", "clip2", "clip4", "clip6"]
    assert all(place.n_following == 200 for place in places)


def test_more_prompts_than_segments_start_at_different_places() -> None:
    places = choose_prompts([Segment("a", 50, 1050, "test")], 3, 100, 300)
    assert len({place.start_sample for place in places}) == 3


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 800)), min_size=1, max_size=6),
    st.integers(1, 12),
    st.integers(1, 200),
    st.integers(0, 400),
)
@settings(max_examples=100, deadline=None)
def test_prompts_and_what_follows_stay_held_out(
    spans: list[tuple[int, int]], n_prompts: int, prompt_samples: int, wanted: int
) -> None:
    segments = [
        Segment(str(number), start, start + length, "test")
        for number, (start, length) in enumerate(spans)
    ]
    if max(segment.n_samples for segment in segments) < prompt_samples:
        with pytest.raises(SoundloomError, match="the longest held-out segment has"):
            choose_prompts(segments, n_prompts, prompt_samples, wanted)
        return
    places = choose_prompts(segments, n_prompts, prompt_samples, wanted)
    assert len(places) == n_prompts
    for place in places:
        segment = segments[int(place.clip)]
        end = place.start_sample + place.n_samples + place.n_following
        assert segment.start_sample <= place.start_sample <= end <= segment.end_sample
        assert place.n_following <= wanted


def test_held_out_prompts_are_cut_from_their_clips() -> None:
    samples = music(6, RATE_HZ)
    clip = Clip("rock/rock.00000.wav", "song", 2 * RATE_HZ, len(samples), None, None, "")
    (place,) = choose_prompts([Segment(clip.name, 0, len(samples), "test")], 1, 1000, 500)
    prompt = held_out_prompt(place, clip, samples, RATE_HZ)
    start = place.start_sample
    np.testing.assert_array_equal(prompt.samples, samples[start : start + 1000])
    np.testing.assert_array_equal(prompt.following, samples[start + 1000 : start + 1500])
    assert prompt.recording == "song"
    assert prompt.offset_seconds == pytest.approx(2 + start / RATE_HZ)


def test_a_recording_is_continued_from_its_end() -> None:
    path, samples, codec = Path("my/riff.wav"), music(3, RATE_HZ), small_codec()
    prompt = prompt_from_end(path, samples, 1.0, codec)
    np.testing.assert_array_equal(prompt.samples, samples[-RATE_HZ:])
    assert prompt.recording == "riff.wav"
    assert prompt.offset_seconds == pytest.approx(2.0)
    assert len(prompt_from_end(path, samples, 10.0, codec).samples) == len(samples)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (np.zeros(RATE_HZ), "its last 1 s are silent"),
        (np.full(RATE_HZ, 0.7), "its last 1 s are silent"),
        (0.0009 * np.sin(np.arange(RATE_HZ) / 9), "its last 1 s are silent"),
    ],
)
def test_a_recording_that_ends_in_silence_is_refused(end: np.ndarray, reason: str) -> None:
    samples = np.concatenate([music(3, RATE_HZ), end]).astype(np.float32)
    with pytest.raises(UnusableAudio, match=rf"^riff\.wav: {reason}.*nothing to continue$"):
        prompt_from_end(Path("riff.wav"), samples, 1.0, small_codec())
    # A little more of it, and there is something to go on from.
    assert len(prompt_from_end(Path("riff.wav"), samples, 1.5, small_codec()).samples)


def test_a_recording_shorter_than_an_analysis_window_is_refused() -> None:
    with pytest.raises(UnusableAudio, match=r"^riff\.wav: the prompt is 0\.046 s long; it must"):
        prompt_from_end(Path("riff.wav"), music(1, RATE_HZ)[:1023], 1.0, small_codec())


def test_the_last_frames_of_a_prompt_hold_no_padding() -> None:
    codec, samples = small_codec(), music(2, RATE_HZ)
    whole = codec.encode(samples)
    cut = prompt_frames(codec, samples[:RATE_HZ])
    np.testing.assert_allclose(cut, whole[: len(cut)], atol=1e-5)
    assert len(cut) == 1 + (RATE_HZ - 512) // 256
    with pytest.raises(SoundloomError, match="the prompt has 500 samples"):
        prompt_frames(codec, samples[:500])


def wanted(**changes: object) -> GenerateConfig:
    """Shorter than anybody may ask for, which takes less long."""
    defaults = {"seconds": 0.5, "temperature": 1.0, "sample_rate_hz": 44_100, "seed": 0}
    return small_config().generate.model_copy(update={**defaults, **changes})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "rate_hz"), [(0.1, 8000), (0.5, 44_100), (0.737, 48_000), (1.0, 22_050)]
)
def test_length_rate_and_level_are_as_asked(seconds: float, rate_hz: int) -> None:
    config = wanted(seconds=seconds, sample_rate_hz=rate_hz)
    model = built("lstm")
    (made,) = continue_prompts(model, small_codec(), [music(1, RATE_HZ)], config)
    assert made.samples.shape == (round(seconds * rate_hz),)
    assert np.isfinite(made.samples).all()
    assert 0.001 < np.abs(made.samples).max() <= 0.98


@pytest.mark.slow
def test_another_seed_another_continuation() -> None:
    model, codec = built("density"), small_codec()
    prompt = music(1, RATE_HZ)
    first, second = continue_prompts(model, codec, [prompt, prompt], wanted())
    assert not np.array_equal(first.samples, second.samples)
    again = continue_prompts(model, codec, [prompt, prompt], wanted())[1]
    np.testing.assert_array_equal(again.samples, second.samples)
    (other,) = continue_prompts(model, codec, [prompt], wanted(seed=1))
    assert not np.array_equal(other.samples, first.samples)


def test_join() -> None:
    joined = join(np.full(2000, 0.5, np.float32), np.full(3000, -0.5, np.float32), 10_000)
    assert len(joined) == 2000 + 3000 - 300
    assert (joined[:1700] == 0.5).all()
    assert (joined[2000:] == -0.5).all()
    assert np.abs(np.diff(joined)).max() < 0.05


def test_stereo_is_joined_side_by_side() -> None:
    one, two = np.full((2000, 2), 0.5, np.float32), np.full((3000, 2), -0.5, np.float32)
    joined = join(one * [1, 0.5], two * [1, 0.5], 10_000)
    np.testing.assert_array_equal(joined[:, 0], join(one[:, 0], two[:, 0], 10_000))
    np.testing.assert_allclose(joined[:, 1], joined[:, 0] / 2, atol=1e-6)


def test_decoded_stereo_is_as_long_as_asked_and_wide() -> None:
    codec, sides = small_codec(2), np.stack([music(1.1, RATE_HZ, 1), music(1.1, RATE_HZ, 2)], 1)
    made = decode(codec.encode(sides), codec, wanted(seconds=1.0), RATE_HZ)
    assert made.shape == (44_100, 2)
    assert np.abs(made).max() <= 0.98
    assert abs(side_to_mid_db(made) - side_to_mid_db(sides)) < 1.0


def test_one_peak_leaves_the_prompt_and_the_rest_as_loud_as_they_were() -> None:
    continuation = np.full(20_000, -0.5, np.float32)
    continuation[10_000] = -4.0
    joined = join(np.full(2000, 0.5, np.float32), continuation, 10_000)
    assert np.abs(joined).max() == pytest.approx(0.98)
    assert (joined[:1700] == 0.5).all()
    assert (np.delete(joined[2000:], range(9190, 10_210)) == -0.5).all()


def test_decoded_frames_keep_their_level_though_a_peak_is_turned_down() -> None:
    codec, samples = small_codec(), music(1.1, RATE_HZ)
    frames = codec.encode(samples)
    frames[len(frames) // 2] = 1.0
    config = wanted(seconds=1.0, sample_rate_hz=RATE_HZ)
    as_it_is = codec.decode(frames, RATE_HZ)
    assert np.abs(as_it_is).max() > 2
    made = decode(frames, codec, config, RATE_HZ)
    assert np.abs(made).max() <= 0.98
    quiet = slice(RATE_HZ // 5)
    np.testing.assert_allclose(made[quiet], as_it_is[quiet], atol=1e-6)
