"""What FFmpeg reads, in files that its own encoders made; and tags, in files of every kind."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from recordings import encoded, encoded_by_ffmpeg, music
from soundloom.audio import files
from soundloom.audio.containers import NO_TAGS, Tags, foreign_demuxer, read_tags
from soundloom.audio.files import decode_file, decode_tagged
from soundloom.common.errors import UnusableAudio

RATE_HZ = 48_000
N_SAMPLES = RATE_HZ - 317  # no whole number of any codec's frames
MUSIC = music(1, RATE_HZ, 1)[:N_SAMPLES]

# (container, codec): the most that a sample may differ by, and the length.
LOSSLESS = {
    ("ipod", "alac"): 2e-7,  # 24 bits
    ("mov", "pcm_s16le"): 2e-5,
    ("matroska", "flac"): 2e-5,
    ("avi", "pcm_s16le"): 2e-5,
    ("wv", "wavpack"): 4e-3,  # 8 bits
    ("tta", "tta"): 4e-3,
}
# (container, codec): samples more at the end, and before the beginning, for want of a place to say
# how many an encoder needed.
LOSSY = {
    ("ipod", "aac"): (1024, 0),
    ("mp4", "aac"): (1024, 0),
    ("matroska", "aac"): (1024, 0),
    ("webm", "libopus"): (0, 0),
    ("matroska", "libmp3lame"): (0, 0),
    ("adts", "aac"): (1024, 1024),
    ("flv", "aac"): (1024, 1024),
    ("asf", "wmav2"): (2048, -2048),
}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_lossless_sound_is_read_to_the_sample(
    tmp_path: Path, kind: tuple[str, str], n_channels: int
) -> None:
    sides = np.stack([MUSIC] * n_channels, axis=1)
    path = write(tmp_path / "a.x", encoded_by_ffmpeg(sides, RATE_HZ, *kind))
    decoded = decode_file(path, RATE_HZ)
    np.testing.assert_allclose(decoded.samples[:], MUSIC, atol=LOSSLESS[kind])
    assert decoded.notes == ()


@pytest.mark.parametrize("kind", LOSSY)
def test_what_encoders_put_before_the_sound_is_left_out_where_the_file_says_so(
    tmp_path: Path, kind: tuple[str, str]
) -> None:
    path = write(tmp_path / "a.x", encoded_by_ffmpeg(MUSIC, RATE_HZ, *kind))
    decoded = decode_file(path, RATE_HZ)
    n_more, n_before = LOSSY[kind]
    assert abs(len(decoded.samples) - N_SAMPLES - max(0, n_before)) <= n_more
    at = 10_000
    piece = decoded.samples[at + n_before :][:20_000]
    np.testing.assert_allclose(np.corrcoef(piece, MUSIC[at:][:20_000])[0, 1], 1.0, atol=0.02)
    assert decoded.notes == ()


def test_the_beginning_says_what_a_file_is_whatever_its_name(tmp_path: Path) -> None:
    m4a = write(tmp_path / "a.mp3", encoded_by_ffmpeg(MUSIC, RATE_HZ, "ipod", "alac"))
    wav = write(tmp_path / "b.m4a", encoded(MUSIC, RATE_HZ, "WAV", "PCM_24"))
    samples = decode_file(wav, RATE_HZ).samples[:]
    np.testing.assert_allclose(decode_file(m4a, RATE_HZ).samples[:], samples, atol=3e-7)


@pytest.mark.parametrize(
    "known",
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("CAF", "ALAC_16"),
     ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16")],
)  # fmt: skip
def test_what_libsndfile_reads_is_read_by_it(known: tuple[str, str]) -> None:
    assert foreign_demuxer(io.BytesIO(encoded(MUSIC, RATE_HZ, *known))) is None


def test_surround_is_averaged_and_empty_channels_are_left_out(tmp_path: Path) -> None:
    sides = np.zeros((N_SAMPLES, 6), np.float32)
    sides[:, 0], sides[:, 1] = MUSIC, MUSIC / 2
    path = write(tmp_path / "a.mka", encoded_by_ffmpeg(sides, RATE_HZ, "matroska", "flac"))
    decoded = decode_file(path, RATE_HZ)
    np.testing.assert_allclose(decoded.samples[:], 0.75 * MUSIC, atol=3e-5)
    assert decoded.notes == ("its other channels are empty: only channels 1, 2 of 6 are used",)


def test_reading_in_blocks_gives_what_reading_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.m4a", encoded_by_ffmpeg(MUSIC, RATE_HZ, "ipod", "aac"))
    at_once = decode_file(path, 22_050).samples[:]
    monkeypatch.setattr(files, "BLOCK_VALUES", 999)
    np.testing.assert_array_equal(decode_file(path, 22_050).samples[:], at_once)
    monkeypatch.setattr(files, "MAX_HOURS", 0.9 / 3600)
    with pytest.raises(UnusableAudio, match=r"longer than .* hours: cut it"):
        decode_file(path, 22_050)


def test_of_a_truncated_file_the_rest_is_used_and_that_is_said(tmp_path: Path) -> None:
    content = encoded_by_ffmpeg(MUSIC, RATE_HZ, "matroska", "flac")
    path = write(tmp_path / "a.mka", content[: len(content) * 6 // 10])
    decoded = decode_file(path, RATE_HZ)
    n = len(decoded.samples)
    np.testing.assert_allclose(decoded.samples[: n - 5000], MUSIC[: n - 5000], atol=2e-5)
    (note,) = decoded.notes
    share = round(100 * n / N_SAMPLES)
    assert 30 < share < 70
    assert note == f"only {share}% of it was read: the rest is damaged"


def test_damaged_sound_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    content = encoded_by_ffmpeg(MUSIC, RATE_HZ, "ipod", "alac")
    third = len(content) // 3
    content = content[:third] + b"\xff" * third + content[2 * third :]
    (note,) = decode_file(write(tmp_path / "a.m4a", content), RATE_HZ).notes
    assert note.endswith("% of it was read: the rest is damaged")


@pytest.mark.parametrize("damage", ["cut", "a beginning alone", "another beginning alone"])
def test_what_is_no_sound_is_refused_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    content = {
        "cut": encoded_by_ffmpeg(MUSIC, RATE_HZ, "ipod", "alac")[:-2000],  # what says where it is
        "a beginning alone": b"\0\0\0\x20ftypM4A ",
        "another beginning alone": b"\x1aE\xdf\xa3" + bytes(99),
    }[damage]
    path = write(tmp_path / "a.m4a", content)
    with pytest.raises(UnusableAudio) as raised:
        decode_file(path, RATE_HZ)
    reason = "cannot be read as audio (Invalid data found when processing input)"
    assert raised.value.reason == reason
    assert capfd.readouterr().err == ""


def film(n_sounds: int) -> bytes:
    """Pictures, and sounds of which each is another."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as made:
        pictures = made.add_stream("mpeg4", 25, width=64, height=64, pix_fmt="yuv420p")
        sounds = [made.add_stream("pcm_s16le", 8_000, layout="mono") for _ in range(n_sounds)]
        for _ in range(50):
            made.mux(pictures.encode(av.VideoFrame(64, 64, "yuv420p")))
        for seed, sound in enumerate(sounds):
            samples = (32_000 * music(1, 8_000, seed)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            frame.sample_rate = 8_000
            made.mux(sound.encode(frame))
        made.mux(pictures.encode(None))
    return file.getvalue()


def test_of_a_film_the_sound_is_read(tmp_path: Path) -> None:
    decoded = decode_file(write(tmp_path / "a.mkv", film(1)), 8_000)
    np.testing.assert_allclose(decoded.samples[:], 32_000 / 32_768 * music(1, 8_000), atol=1e-4)
    assert decoded.notes == ()  # though the pictures go on for longer
    decoded = decode_file(write(tmp_path / "b.mkv", film(2)), 8_000)
    assert decoded.notes == ("holds 2 tracks: only 1 of them used",)
    with pytest.raises(UnusableAudio, match="holds no sound"):
        decode_file(write(tmp_path / "c.mkv", film(0)), 8_000)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("ipod", "aac"), ("asf", "wmav2"), ("matroska", "aac"), ("mp3", "libmp3lame"),
     ("flac", "flac"), ("ogg", "libopus"), ("wav", "pcm_s16le"), ("wv", "wavpack")],
)  # fmt: skip
def test_artist_and_title_are_found_in_every_kind_of_file(
    tmp_path: Path, container: str, codec: str
) -> None:
    tags = {"artist": "Motörhead", "title": "Überspielt\n  日本"}
    content = encoded_by_ffmpeg(MUSIC, RATE_HZ, container, codec, tags)
    path = write(tmp_path / "a.x", content)
    assert decode_tagged(path, RATE_HZ).tags == Tags("Motörhead", "Überspielt 日本")


@pytest.mark.parametrize(
    ("tags", "artist"),
    [
        ({"artist": "Queen feat. Bowie", "album_artist": "Queen"}, "Queen"),
        ({"artist": "Queen", "album_artist": "Various Artists"}, "Queen"),
        ({"album_artist": "Queen"}, "Queen"),
        ({"artist": "A\x1b[31m\tB" + 500 * "x"}, "A [31m B" + 192 * "x"),
        ({"artist": "  "}, None),
        ({}, None),
    ],
)
def test_a_guest_makes_no_other_artist(tags: dict[str, str], artist: str | None) -> None:
    content = encoded_by_ffmpeg(MUSIC[:5000], RATE_HZ, "ipod", "aac", tags)
    assert read_tags(io.BytesIO(content)).artist == artist


@pytest.mark.parametrize(
    "content", [b"", b"text", b"ID3\4" + bytes(50), b"\xff\xfb\x90d", b"RIFF" + bytes(90)]
)
def test_what_has_no_tags_has_none(content: bytes) -> None:
    assert read_tags(io.BytesIO(content)) == NO_TAGS


@pytest.mark.parametrize("kind", [("CAF", "ALAC_16"), ("W64", "PCM_16")])
def test_nothing_is_printed_of_a_file_that_leads_astray(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: tuple[str, str]
) -> None:
    content = encoded(MUSIC, RATE_HZ, *kind)
    for n_lost in (1, 40, 100):
        decode_tagged(write(tmp_path / "a.x", content + content[n_lost:]), RATE_HZ)
    assert capfd.readouterr().err == ""
