"""Audio files and samples, against signals whose answer is known."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recordings import encoded, music, write_recording
from soundloom.audio import files
from soundloom.audio.files import decode_file, decode_stems, read_audio, write_audio
from soundloom.audio.samples import is_silent, limited, resample, within_full_scale
from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError, UnusableAudio

RATE_HZ = 22_050


def sine(frequency_hz: float, seconds: float, rate_hz: int, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000, 96_000, 192_000])
def test_a_sine_keeps_its_frequency_level_and_length_at_another_rate(
    tmp_path: Path, rate_hz: int
) -> None:
    path = write_recording(tmp_path / "sine.wav", sine(1000, 2.0, rate_hz), rate_hz, 1, "PCM_24")

    samples = read_audio(path, 22_050)

    assert samples.dtype == np.float32
    assert samples.shape == (44_100,)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) == 2000  # bins are 0.5 Hz wide
    # Away from the ends, where resampling also averages the silence outside.
    np.testing.assert_allclose(samples[2000:-2000], sine(1000, 2, 22_050)[2000:-2000], atol=1e-3)


def test_sound_above_the_new_nyquist_rate_is_removed_not_folded_down(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "high.wav", sine(15_000, 1.0, 44_100), 44_100)
    assert np.abs(read_audio(path, 22_050)[1000:-1000]).max() < 1e-3


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = sine(440, 1, 22_050, 0.6), sine(880, 1, 22_050, 0.2)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 22_050, "FLOAT")
    mono = read_audio(tmp_path / "stereo.wav", 22_050)
    np.testing.assert_allclose(mono, (left + right) / 2, atol=1e-7)


A, B = music(1, RATE_HZ, 1), music(1, RATE_HZ, 2)
HISS = np.random.default_rng(0).normal(0, 1e-4, len(A)).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "expected", "note"),
    [
        ([A, -A], A, "each other: only channel 1 of 2 is used"),
        ([A, -0.95 * A], A, "each other: only channel 1 of 2 is used"),
        ([0.5 * A, -A], -A, "each other: only channel 2 of 2 is used"),
        ([A, 0 * A], A, "other channels are empty: only channel 1 of 2 is used"),
        ([HISS, A], A, "other channels are empty: only channel 2 of 2 is used"),
        ([A, 0 * A + 0.5], A, "other channels are empty: only channel 1"),
        (
            [A, B, 0 * A, 0 * A, HISS, 0 * A],
            (A + B) / 2,
            "are empty: only channels 1, 2 of 6 are used",
        ),
        ([0 * A, 0 * A, A], A, "other channels are empty: only channel 3 of 3 is used"),
        ([A, -A, 0 * A], A, "cancel each other"),
        ([A, -A, B, B], (A + 2 * B) / 3, "each other: only channels 1, 3, 4 of 4 are used"),
        (
            [B, 0.9 * A, 0 * A, -A],
            (B - A) / 2,
            "cancel each other: only channels 1, 4 of 4 are used",
        ),
        ([A, B, -A, -B], (A + B) / 2, "cancel each other: only channels 1, 2 of 4 are used"),
        (
            [A / 2, B / 2, (A + B) / -2],
            (A + B) / -2,
            "cancel each other: only channel 3 of 3 is used",
        ),
        ([A, A], A, None),
        ([A, B], (A + B) / 2, None),
        ([A + B / 2, A - B / 2], A, None),
        ([0.03 * A, A], 0.515 * A, None),
        ([0 * A, 0 * A], 0 * A, None),
    ],
)
def test_channels_that_are_empty_or_cancel_are_left_out_and_that_is_said(
    tmp_path: Path, channels: list[np.ndarray], expected: np.ndarray, note: str | None
) -> None:
    path = tmp_path / "channels.wav"
    soundfile.write(path, np.stack(channels, axis=1), RATE_HZ, "FLOAT")
    decoded = decode_file(path, RATE_HZ)
    np.testing.assert_allclose(decoded.samples[:], expected, atol=2e-7)
    assert len(decoded.notes) == (note is not None)
    assert (note or "") in "".join(decoded.notes)


@pytest.mark.parametrize(
    ("channels", "expected", "note"),
    [
        ([A, B], [A, B], None),
        ([A, 0.03 * B], [A, 0.03 * B], None),
        ([A], [A, A], None),
        ([A, 0 * A], [A, A], "other channels are empty: only channel 1 of 2 is used"),
        ([0.9 * A, -A], [-A, -A], "each other: only channel 2 of 2 is used"),
        ([A, B, A], [(2 * A + B) / 3] * 2, "its 3 channels are read as mono; stereo has two"),
    ],
)
def test_both_channels_of_stereo_are_kept_and_all_else_lies_in_the_middle(
    tmp_path: Path, channels: list[np.ndarray], expected: list[np.ndarray], note: str | None
) -> None:
    path = tmp_path / "channels.wav"
    soundfile.write(path, np.stack(channels, axis=1), RATE_HZ, "FLOAT")
    decoded = decode_file(path, RATE_HZ, channels=2)
    np.testing.assert_allclose(decoded.samples[:], np.stack(expected, axis=1), atol=2e-7)
    assert len(decoded.notes) == (note is not None)
    assert (note or "") in "".join(decoded.notes)


def test_stereo_is_resampled_joined_and_scaled_as_one(tmp_path: Path) -> None:
    samples = np.stack([A, 2 * B], axis=1)
    soundfile.write(tmp_path / "one.wav", samples, RATE_HZ, "FLOAT")
    soundfile.write(tmp_path / "mono.wav", A[:100], RATE_HZ, "FLOAT")
    read = read_audio(tmp_path / "one.wav", 2 * RATE_HZ, channels=2)
    assert read.shape == (2 * len(A), 2)
    assert np.abs(read).max() == 1.0
    np.testing.assert_allclose(
        read[:, 0] * np.abs(B).max() * 2, resample(A, RATE_HZ, 2 * RATE_HZ), atol=0.05
    )
    stems = decode_stems([tmp_path / "mono.wav", tmp_path / "one.wav"], RATE_HZ, channels=2)
    summed = samples + 0
    summed[:100] += A[:100, None]
    np.testing.assert_allclose(stems.samples[:], within_full_scale(summed), atol=2e-7)


@pytest.mark.parametrize(("n_cancelled", "is_said"), [(0, False), (1, False), (2, True), (6, True)])
def test_channels_that_cancel_for_part_of_the_time_leave_no_hole(
    tmp_path: Path, n_cancelled: int, is_said: bool
) -> None:
    one = np.tile(A, 12)
    other = one.copy()
    other[len(one) - n_cancelled * RATE_HZ :] *= -1
    path = tmp_path / "half.wav"
    soundfile.write(path, np.stack([one, other], axis=1), RATE_HZ, "FLOAT")
    decoded = decode_file(path, RATE_HZ)
    assert bool(decoded.notes) == is_said
    if is_said:
        np.testing.assert_allclose(np.abs(decoded.samples[:]), np.abs(one), atol=2e-7)


def test_of_several_channels_two_that_cancel_for_part_of_the_time_leave_no_hole(
    tmp_path: Path,
) -> None:
    one, others = np.tile(A, 12), np.tile(B, 12)
    other = 0.9 * one
    other[-2 * RATE_HZ :] *= -1
    channels = np.stack([others, one, others, other], axis=1)
    soundfile.write(tmp_path / "part.wav", channels, RATE_HZ, "FLOAT")
    decoded = decode_file(tmp_path / "part.wav", RATE_HZ)
    assert decoded.notes == ("its channels cancel each other: only channels 1, 2, 3 of 4 are used",)
    np.testing.assert_allclose(decoded.samples[:], channels[:, :3].mean(axis=1), atol=2e-7)


@pytest.mark.parametrize(
    ("subtype", "value", "stated"), [("FLOAT", 3e38, "3.0e+38"), ("DOUBLE", -1e200, "1.0e+200")]
)
def test_values_too_large_to_reckon_with_are_called_that(
    tmp_path: Path, subtype: str, value: float, stated: str
) -> None:
    samples = np.tile([value, 0.0, -0.5 * value], 10_000)
    for n_channels in (1, 3):
        path = tmp_path / f"{n_channels}.wav"
        soundfile.write(path, np.stack([samples] * n_channels, axis=1), 44_100, subtype)
        for rate_hz in (44_100, RATE_HZ):
            with pytest.raises(UnusableAudio) as raised:
                read_audio(path, rate_hz)
            assert (
                raised.value.reason == f"holds values as large as {stated}, where 1 is full scale"
            )


def test_a_value_that_is_not_finite_counts_in_an_empty_channel_too(tmp_path: Path) -> None:
    broken = 0 * A
    broken[100] = np.nan
    soundfile.write(tmp_path / "a.wav", np.stack([A, broken], axis=1), RATE_HZ, "FLOAT")
    with pytest.raises(UnusableAudio, match="NaN or infinite"):
        read_audio(tmp_path / "a.wav", RATE_HZ)


def test_what_is_noted_of_stems_names_them(tmp_path: Path) -> None:
    stems = [tmp_path / "song.wav", write_recording(tmp_path / "guitar.wav", A, RATE_HZ)]
    soundfile.write(stems[0], np.stack([B, -B], axis=1), RATE_HZ, "FLOAT")
    [note] = decode_stems(stems, RATE_HZ).notes
    assert note.startswith("song.wav: its channels cancel each other")


def test_hours_beyond_measure_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_recording(tmp_path / "long.wav", A, RATE_HZ)
    monkeypatch.setattr(files, "MAX_HOURS", 0.9 / 3600)
    with pytest.raises(UnusableAudio, match=r"longer than .* hours: cut it"):
        read_audio(path, RATE_HZ)


def test_reading_in_blocks_gives_what_reading_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path / "long.flac", music(5, 44_100), 44_100, 2)
    at_once = read_audio(path, 22_050)
    monkeypatch.setattr(files, "BLOCK_VALUES", 2_000)
    np.testing.assert_array_equal(read_audio(path, 22_050), at_once)
    np.testing.assert_allclose(resample(music(5, 44_100), 44_100, 22_050), at_once, atol=1e-4)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    samples = music(1, 22_050)
    np.testing.assert_array_equal(resample(samples, 22_050, 22_050), samples)
    assert resample(samples.astype(np.float64), 22_050, 22_050).dtype == np.float32


def test_a_level_above_full_scale_is_scaled_down_and_one_below_is_kept(tmp_path: Path) -> None:
    loud = write_recording(tmp_path / "loud.wav", 3 * music(1, 22_050), subtype="FLOAT")
    soft = write_recording(tmp_path / "soft.wav", 0.25 * music(1, 22_050), subtype="FLOAT")
    np.testing.assert_allclose(read_audio(loud, 22_050), music(1, 22_050) / 0.8, atol=1e-6)
    np.testing.assert_allclose(read_audio(soft, 22_050), music(1, 22_050) * 0.25, atol=1e-7)


def test_a_mix_sums_stems_of_any_length_and_rate_and_keeps_their_balance(tmp_path: Path) -> None:
    long = write_recording(tmp_path / "a.wav", 3 * sine(300, 2.0, 22_050), subtype="FLOAT")
    short = write_recording(tmp_path / "b.wav", sine(300, 1.0, 44_100), 44_100, 2, "FLOAT")
    expected = 3 * sine(300, 2.0, 22_050)
    expected[:22_050] += sine(300, 1.0, 22_050)
    expected /= np.abs(expected).max()

    mixed = decode_stems([short, long], 22_050).samples[:]

    assert mixed.shape == (44_100,)
    np.testing.assert_allclose(mixed[:21_000], expected[:21_000], atol=2e-3)
    np.testing.assert_allclose(mixed[23_000:], expected[23_000:], atol=2e-3)
    np.testing.assert_array_equal(mixed, decode_stems([long, short], 22_050).samples[:])


@pytest.mark.parametrize("suffix", ["wav", "ogg", "mp3", "aiff"])
def test_the_readable_part_of_a_truncated_file_is_used(tmp_path: Path, suffix: str) -> None:
    subtype = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(suffix, "PCM_16")
    path = write_recording(tmp_path / f"cut.{suffix}", music(8, 44_100), 44_100, 1, subtype)
    whole = read_audio(path, 22_050)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])

    part = read_audio(path, 22_050)

    assert 0.25 < len(part) / len(whole) < 0.75
    n = len(part) - 4_000  # the last frames before the cut may be damaged
    np.testing.assert_allclose(part[2_000:n], whole[2_000:n], atol=2e-3)


def test_a_truncated_flac_that_breaks_while_it_is_read_is_unusable(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "cut.flac", music(8, 44_100), 44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(UnusableAudio, match=r"cut\.flac: cannot be read as audio \(flac decoder"):
        read_audio(path, 22_050)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"These are the lyrics.\n" * 40, "Format not recognised"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "cannot be read as audio"),
        (b"ID3\x04" + bytes(200), "cannot be read as audio"),
        (b"\xff\xfb\x90\x64" + bytes(60), r"cannot be read as audio \(no audio found"),
    ],
)
def test_what_is_no_audio_is_refused_with_file_and_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a: b.wav"
    path.write_bytes(content)
    with pytest.raises(UnusableAudio, match=reason) as caught:
        read_audio(path, 22_050)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert str(tmp_path) not in caught.value.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 8_000])
def test_a_single_value_that_is_not_finite_makes_a_file_unusable(
    tmp_path: Path, value: float, rate_hz: int
) -> None:
    samples = music(1, rate_hz)
    samples[len(samples) // 2] = value
    path = write_recording(tmp_path / "broken.wav", samples, rate_hz, 2, "FLOAT")
    with pytest.raises(UnusableAudio, match="NaN or infinite"):
        read_audio(path, 22_050)


def test_a_file_without_samples_is_unusable(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "none.wav", np.zeros(0))
    with pytest.raises(UnusableAudio, match="holds no samples"):
        read_audio(path, 22_050)


@pytest.mark.parametrize("rate_hz", [1, 2_000_000_000])
def test_an_impossible_sample_rate_is_refused_before_it_fills_the_memory(
    tmp_path: Path, rate_hz: int
) -> None:
    path = write_recording(tmp_path / "odd.wav", music(1, 22_050), rate_hz)
    with pytest.raises(UnusableAudio, match=f"claims a sample rate of {rate_hz} Hz"):
        read_audio(path, 22_050)


@pytest.mark.parametrize("damage", [slice(0, 100), slice(0, 3000), slice(300, None)])
def test_a_damaged_mp3_is_refused_without_a_word_of_the_decoders(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: slice
) -> None:
    content = bytearray(encoded(music(0.5, 22_050), 22_050, "MP3", "MPEG_LAYER_III"))
    content[200:500] = bytes(300)
    (tmp_path / "a.mp3").write_bytes(content[damage])
    with contextlib.suppress(UnusableAudio):
        read_audio(tmp_path / "a.mp3", 22_050)
    print("then", file=sys.stderr)
    assert capfd.readouterr().err == "then\n"


def test_what_is_no_file_is_called_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for ever
    (tmp_path / "link.wav").symlink_to("missing.wav")
    for path, reason in (
        (tmp_path / "missing.wav", "no such file"),
        (tmp_path, "a folder, no file"),
        (tmp_path / "pipe.wav", "no regular file"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "link.wav", "a link to a file that is not there"),
    ):
        with pytest.raises(UnusableAudio) as refused:
            read_audio(path, 22_050)
        assert refused.value.reason == reason


def test_a_reason_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UnusableAudio("song.wav", "silent")))
    assert (str(error), error.reason) == ("song.wav: silent", "silent")


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        (np.zeros(100), True),
        (np.zeros(0), True),
        (np.full(100, 0.5), True),
        (sine(440, 0.1, 22_050, 0.0009), True),
        (sine(440, 0.1, 22_050, 0.0011), False),
        (0.5 + sine(440, 0.1, 22_050, 0.01), False),
    ],
    ids=["zeros", "nothing", "offset", "-61 dB", "-59 dB", "sound upon an offset"],
)
def test_silence_is_the_absence_of_movement(samples: np.ndarray, silent: bool) -> None:
    assert is_silent(samples) is silent


def test_full_scale_is_never_exceeded_and_never_sought() -> None:
    loud = np.array([0.5, -4.0], dtype=np.float32)
    np.testing.assert_array_equal(within_full_scale(loud), [0.125, -1.0])
    np.testing.assert_array_equal(loud, [0.5, -4.0])
    np.testing.assert_array_equal(within_full_scale(np.array([0.5, -0.25])), [0.5, -0.25])


def test_only_what_is_around_a_peak_is_turned_down() -> None:
    samples = music(1, RATE_HZ)
    loud = samples.copy()
    loud[RATE_HZ // 2] = -3.0
    held = limited(loud, RATE_HZ, 0.98)
    assert held[RATE_HZ // 2] == pytest.approx(-0.98)
    turned_down = np.flatnonzero(held != samples)
    assert np.abs(turned_down - RATE_HZ // 2).max() == pytest.approx(0.05 * RATE_HZ, rel=0.01)
    assert loud[RATE_HZ // 2] == -3.0


def test_a_limiter_turns_down_and_up_again_without_a_click() -> None:
    loud = np.full(RATE_HZ, 0.5, np.float32)
    loud[10_000:10_005] = 5.0
    held = limited(loud, RATE_HZ)
    assert held[10_000:10_005] == pytest.approx(1.0, abs=0.001)
    gains = held / loud
    # From 1 to 0.2 and back within 50 ms, each way: the steepest step of a Hann-shaped curve.
    assert np.abs(np.diff(gains)).max() < 2.1 * 0.8 / (0.05 * RATE_HZ)
    assert np.argmin(gains) == pytest.approx(10_002, abs=3)


def test_a_gain_is_the_weighted_mean_of_the_lowest_around_it() -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.5, 400).astype(np.float32)
    samples[:2], samples[-2:] = 2.0, -3.0  # and beyond the ends it goes on as there
    needed = np.pad(np.minimum(1.0, 1.0 / np.abs(samples)), 50, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(needed, 51).min(axis=1)
    weights = np.hanning(53)[1:-1]
    expected = np.convolve(lowest, weights / weights.sum(), mode="valid")
    np.testing.assert_allclose(limited(samples, 1000) / samples, expected, rtol=1e-6)


@given(
    samples=arrays(np.float32, st.integers(0, 400), elements=st.floats(-9, 9, width=32)),
    limit=st.floats(0.1, 1.0),
)
def test_no_sample_lies_beyond_the_limit_nor_is_any_turned_up(
    samples: np.ndarray, limit: float
) -> None:
    held = limited(samples, 1000, limit)
    assert held.dtype == np.float32
    assert held.shape == samples.shape
    assert (np.abs(held) <= np.float32(limit)).all()
    assert (np.abs(held) <= np.abs(samples) * (1 + 1e-6)).all()
    assert (held * samples >= 0).all()
    if np.abs(samples).max(initial=0.0) <= limit:
        np.testing.assert_array_equal(held, samples)


def test_both_sides_are_turned_down_together_and_heard_alike() -> None:
    sides = np.stack([3 * A, 0.5 * B], axis=1)
    held = limited(sides, RATE_HZ)
    assert np.abs(held).max() <= 1.0
    gains = held[:, 0] / np.where(sides[:, 0] == 0, 1, sides[:, 0])
    np.testing.assert_allclose(held[:, 1], gains * sides[:, 1], atol=1e-4)
    assert is_silent(0 * sides + [0.5, -0.5])
    assert not is_silent(sides * [0, 1])


def test_stereo_that_is_written_is_read_back(tmp_path: Path) -> None:
    for samples in (np.stack([A, B], axis=1), np.stack([0 * A, B], axis=1)):
        write_audio(tmp_path / "new.wav", samples, RATE_HZ)
        read = read_audio(tmp_path / "new.wav", RATE_HZ, channels=2)
        np.testing.assert_allclose(read, samples, atol=1.01 / 32768)
        mono = read_audio(tmp_path / "new.wav", RATE_HZ)
        np.testing.assert_allclose(mono, samples.mean(axis=1), atol=1.01 / 32768)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, channels: int) -> None:
    path, samples = tmp_path / f"new.{suffix}", within_full_scale(5 * music(1, 44_100))
    write_audio(path, in_channels(samples, channels), 44_100)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype) == (44_100, channels, "PCM_16")
    np.testing.assert_allclose(read_audio(path, 44_100), samples, atol=1.01 / 32768)


@pytest.mark.parametrize(
    ("suffix", "rate_hz", "written_hz", "subtype"),
    [
        ("mp3", 44_100, 44_100, "MPEG_LAYER_III"),
        ("MP3", 96_000, 48_000, "MPEG_LAYER_III"),
        ("ogg", 44_100, 44_100, "VORBIS"),
        ("Opus", 44_100, 48_000, "OPUS"),
        ("opus", 22_050, 24_000, "OPUS"),
    ],
)
def test_lossy_formats_are_written_at_a_rate_they_have(
    tmp_path: Path, suffix: str, rate_hz: int, written_hz: int, subtype: str
) -> None:
    path, samples = tmp_path / f"new.{suffix}", music(2, rate_hz)
    write_audio(path, in_channels(samples, 2), rate_hz)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype) == (written_hz, 2, subtype)
    read = read_audio(path, rate_hz)
    assert abs(len(read) - len(samples)) <= 2
    n = min(len(read), len(samples))
    assert np.corrcoef(read[:n], samples[:n])[0, 1] > 0.98


def test_minutes_are_written_as_ogg(tmp_path: Path) -> None:
    """Which breaks the encoder if it is handed them at once."""
    path, n_samples = tmp_path / "long.ogg", 600 * 8_000
    write_audio(path, np.zeros(n_samples, np.float32), 8_000)
    assert soundfile.info(path).frames == n_samples


def test_an_ending_that_is_not_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"a\.aac: must end in \.wav, \.flac, \.mp3"):
        write_audio(tmp_path / "a.aac", A, RATE_HZ)


def test_the_same_samples_give_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, music(1, 22_050), 22_050)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5])
def test_samples_that_no_file_should_hold_are_not_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(SoundloomError, match=r"new\.wav: samples must be finite and within"):
        write_audio(tmp_path / "new.wav", np.array([0.0, value], dtype=np.float32), 22_050)
    assert list(tmp_path.iterdir()) == []
