"""Joined files, and headers that do not know how much follows: all of the audio is read."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile

from recordings import encoded, music
from soundloom.audio import files
from soundloom.audio.files import decode_file
from soundloom.audio.parts import parts_of
from soundloom.common.errors import UnusableAudio

RATE_HZ = 24_000

FORMATS = {
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
    "wav of floats": ("WAV", "FLOAT"),
    "wav, big-endian": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
}


def encode(name: str, seconds: float, seed: int = 0, rate_hz: int = RATE_HZ, n: int = 1) -> bytes:
    samples = np.repeat(music(seconds, rate_hz, seed)[:, None], n, axis=1)
    endian = "BIG" if name.endswith("big-endian") else None
    return encoded(samples, rate_hz, *FORMATS[name], endian=endian)


def decoded(
    folder: Path, content: bytes, rate_hz: int = RATE_HZ
) -> tuple[np.ndarray, tuple[str, ...]]:
    (folder / "file").write_bytes(content)
    result = decode_file(folder / "file", rate_hz)
    return result.samples[:], result.notes


ID3V2 = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)
ID3V1 = b"TAG" + bytes(125)


@pytest.mark.parametrize("name", FORMATS)
def test_one_recording_is_read_as_libsndfile_reads_it(tmp_path: Path, name: str) -> None:
    content = encode(name, 1.1, n=2)
    expected = soundfile.read(io.BytesIO(content), dtype="float32")[0].mean(axis=1)
    samples, notes = decoded(tmp_path, content)
    np.testing.assert_allclose(samples, expected, atol=1e-6)
    assert notes == ()


@pytest.mark.parametrize("name", FORMATS)
def test_recordings_joined_are_read_one_after_another(tmp_path: Path, name: str) -> None:
    files = [
        encode(name, 1.1, seed=1),
        encode(name, 0.7, seed=2),
        encode(name, 0.9, seed=3, rate_hz=48_000, n=2),
    ]
    expected = np.concatenate([decoded(tmp_path, file)[0] for file in files])
    samples, notes = decoded(tmp_path, b"".join(files))
    np.testing.assert_array_equal(samples, expected)
    assert len(samples) / RATE_HZ == pytest.approx(2.7, abs=0.01)
    assert notes == ()


def test_recordings_joined_may_be_of_several_containers(tmp_path: Path) -> None:
    names = ("wav", "caf", "au", "rf64", "aiff", "w64", "flac")
    files = [encode(name, 0.2, seed) for seed, name in enumerate(names)]
    expected = np.concatenate([decoded(tmp_path, file)[0] for file in files])
    samples, notes = decoded(tmp_path, b"".join(files))
    np.testing.assert_array_equal(samples, expected)
    assert notes == ()


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "aiff", "au", "caf", "mp3", "ogg"])
def test_what_is_no_sound_behind_the_end_is_noted_and_not_read(tmp_path: Path, name: str) -> None:
    content = encode(name, 1.1)
    expected = decoded(tmp_path, content)[0]
    for behind in (b"?!" * 150, b"text" * 100, encode("flac", 0.1)[60:]):
        samples, notes = decoded(tmp_path, content + behind)
        np.testing.assert_array_equal(samples, expected)
        assert notes == (f"{len(behind)} bytes after the end of the sound are not read",)
    for tag in (ID3V1, bytes(100)):
        samples, notes = decoded(tmp_path, content + tag)
        np.testing.assert_array_equal(samples, expected)
        assert notes == ()


CUT_SHORT = "cut short: the file ends before its sound does"


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"flac", "caf"}))  # refused
def test_a_file_that_was_cut_short_is_noted_as_such(tmp_path: Path, name: str) -> None:
    content = encode(name, 3)
    for share in (0.7, 0.9):
        samples, notes = decoded(tmp_path, content[: int(share * len(content))])
        assert 0 < len(samples) < 3 * RATE_HZ
        assert notes == (CUT_SHORT,)
    # Of two that were joined, the other.
    assert decoded(tmp_path, encode(name, 1, seed=2) + content[:-900])[1] == (CUT_SHORT,)


def test_an_mp3_that_was_cut_between_two_frames_is_told_by_their_count(tmp_path: Path) -> None:
    content = encode("mp3", 3)
    frame = content[:2]
    edge = content.rindex(frame, 0, content.rindex(frame) - 100)
    assert decoded(tmp_path, content[:edge])[1] == (CUT_SHORT,)
    assert decoded(tmp_path, without_count(content))[1] == ()


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("between", [b"", b"LIST\0\0\0\0"])
def test_a_wav_with_several_chunks_of_sound_is_read_whole(
    tmp_path: Path, endian: Literal["little", "big"], between: bytes
) -> None:
    whole = encode("wav" if endian == "little" else "wav, big-endian", 1.1)
    place = whole.index(b"data")
    header, sound = whole[:place], whole[place + 8 :]
    chunks = [
        b"data" + len(piece).to_bytes(4, endian) + piece
        for piece in (sound[:10_000], sound[10_000:40_000], sound[40_000:])
    ]
    samples, notes = decoded(tmp_path, (header + between.join(chunks) + between) * 2)
    np.testing.assert_array_equal(samples, np.tile(decoded(tmp_path, whole)[0], 2))
    assert notes == ()


def in_ogg(flac: bytes, serial: int, page_bytes: int = 3000) -> bytes:
    """A FLAC file as Ogg carries it. The sums of pages, which nobody looks at, are left out."""
    head, rest = b"\x7fFLAC\1\0\0\0" + flac[:42], flac[42:]
    contents = [head, *(rest[i : i + page_bytes] for i in range(0, len(rest), page_bytes))]
    pages = []
    for number, content in enumerate(contents):
        n_full, n_left = divmod(len(content), 255)
        flags = 2 if number == 0 else 4 if number == len(contents) - 1 else 0
        fields = bytes([0, flags]) + bytes(8)
        fields += serial.to_bytes(4, "little") + number.to_bytes(4, "little") + bytes(4)
        sizes = bytes([n_full + 1]) + b"\xff" * n_full + bytes([n_left])
        pages.append(b"OggS" + fields + sizes + content)
    return b"".join(pages)


def test_flac_in_ogg_is_read(tmp_path: Path) -> None:
    files = [encode("flac", 1.1, 1), encode("flac", 0.7, 2)]
    expected = np.concatenate([decoded(tmp_path, file)[0] for file in files])
    chained = b"".join(in_ogg(file, serial) for serial, file in enumerate(files))
    samples, notes = decoded(tmp_path, chained)
    np.testing.assert_array_equal(samples, expected)
    assert notes == ()


@pytest.mark.parametrize(
    "junk", [bytes(1), b"\r\n", bytes(5000), b"<html>" * 20, ID3V2 + bytes(300), b"\xff" * 99]
)
def test_an_mp3_is_found_behind_a_little_junk(tmp_path: Path, junk: bytes) -> None:
    content = encode("mp3", 1.1)
    samples, notes = decoded(tmp_path, junk + content)
    np.testing.assert_array_equal(samples, decoded(tmp_path, content)[0])
    assert notes == ()


def test_an_mp3_that_begins_within_a_frame_is_read_from_the_next_one_on(tmp_path: Path) -> None:
    samples, _ = decoded(tmp_path, without_count(encode("mp3", 1.1))[70:])
    assert len(samples) / RATE_HZ == pytest.approx(1.1, abs=0.1)


def test_what_holds_frames_by_chance_is_no_mp3(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(1 << 18)
    for content in (b"no" + noise, b"no" + noise[:1000] + b"\xff\xfb\x90\x44" + noise):
        with pytest.raises(UnusableAudio, match="Format not recognised"):
            decoded(tmp_path, content)


def test_tags_between_joined_mp3s_are_no_sound(tmp_path: Path) -> None:
    files = [encode("mp3", 1.1, seed=1), encode("mp3", 0.7, seed=2)]
    expected = np.concatenate([decoded(tmp_path, file)[0] for file in files])
    for behind in (ID3V1, b"APETAGEX" + bytes(1000)):
        samples, notes = decoded(tmp_path, b"".join(ID3V2 + file + behind for file in files))
        np.testing.assert_array_equal(samples, expected)
        assert notes == ()


def without_count(mp3: bytes) -> bytes:
    """Without its first frame, which holds the count of the others, and no sound."""
    return mp3[mp3.index(mp3[:2], 100) :]


@pytest.fixture(scope="module")
def variable_mp3() -> bytes:
    """4 s at 44.1 kHz, loud at first and quiet then, so that the first frames are the largest."""
    samples = np.concatenate([music(0.5, 44_100), 0.001 * music(3.5, 44_100, 1)])
    return encoded(samples, 44_100, *FORMATS["mp3"], bitrate_mode="VARIABLE")


def test_a_variable_mp3_without_a_count_of_its_frames_is_read_to_its_end(
    tmp_path: Path, variable_mp3: bytes
) -> None:
    uncounted = without_count(variable_mp3)
    assert soundfile.info(io.BytesIO(uncounted)).duration < 3  # what its first frames promise
    read, notes = decoded(tmp_path, uncounted, 44_100)
    assert len(read) / 44_100 == pytest.approx(4.0, abs=0.1)
    assert notes == ()
    # The encoder's delay, which is taken off where the lost frame tells of it.
    delay, whole = 1105, decoded(tmp_path, variable_mp3, 44_100)[0]
    np.testing.assert_allclose(read[delay : len(whole)], whole[:-delay], atol=1e-3)


def test_a_count_that_is_less_than_there_are_frames_is_not_believed(
    tmp_path: Path, variable_mp3: bytes
) -> None:
    content = bytearray(variable_mp3)
    n_frames = content.index(b"Xing") + 8
    content[n_frames : n_frames + 4] = (20).to_bytes(4)
    assert soundfile.info(io.BytesIO(content)).duration < 1
    assert len(decoded(tmp_path, bytes(content))[0]) / RATE_HZ == pytest.approx(4.0, abs=0.1)


def test_mp3s_of_two_rates_without_counts_are_both_read(tmp_path: Path) -> None:
    files = [encode("mp3", 1.1, seed=1), encode("mp3", 0.7, seed=2, rate_hz=48_000, n=2)]
    uncounted = [without_count(file) for file in files]
    expected = np.concatenate([decoded(tmp_path, file)[0] for file in uncounted])
    np.testing.assert_array_equal(decoded(tmp_path, b"".join(uncounted))[0], expected)


def test_damage_within_an_mp3_costs_what_is_damaged(tmp_path: Path) -> None:
    content = bytearray(encode("mp3", 4.0, seed=1))
    content[len(content) // 2 : len(content) // 2 + 300] = bytes(300)
    assert len(decoded(tmp_path, bytes(content))[0]) / RATE_HZ == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("n_samples", [0, 10_000, 10**9])
def test_a_flac_is_read_to_its_end_whatever_it_says(tmp_path: Path, n_samples: int) -> None:
    content = encode("flac", 1.1)
    # 36 bits at the end of the eight bytes that begin at 18, the number of samples.
    fields = (int.from_bytes(content[18:26]) >> 36 << 36) + n_samples
    lying = content[:18] + fields.to_bytes(8) + content[26:]
    assert lying != content
    np.testing.assert_array_equal(decoded(tmp_path, lying)[0], decoded(tmp_path, content)[0])


def test_what_is_behind_the_end_of_a_flac_is_no_sound(tmp_path: Path) -> None:
    content = encode("flac", 1.1)
    samples, notes = decoded(tmp_path, content + ID3V1)
    np.testing.assert_array_equal(samples, decoded(tmp_path, content)[0])
    assert notes == ()


def replaced(content: bytes, marked: bytes, offset: int, value: bytes) -> bytes:
    place = content.index(marked) + offset
    return content[:place] + value + content[place + len(value) :]


NONE, ALL = bytes(4), b"\xff" * 4


@pytest.mark.parametrize(
    ("container", "endian", "fields"),
    [
        ("WAV", "FILE", [(b"RIFF", 4, NONE), (b"data", 4, NONE)]),
        ("WAV", "FILE", [(b"RIFF", 4, ALL), (b"data", 4, ALL)]),
        ("WAV", "FILE", [(b"RIFF", 4, ALL), (b"data", 4, NONE)]),
        ("WAV", "FILE", [(b"data", 4, NONE)]),
        ("WAV", "BIG", [(b"RIFX", 4, NONE), (b"data", 4, NONE)]),
        ("WAVEX", "FILE", [(b"RIFF", 4, NONE), (b"data", 4, NONE)]),
        ("RF64", "FILE", [(b"ds64", 8, bytes(24))]),
        ("RF64", "FILE", [(b"ds64", 8, ALL * 6)]),
        ("AIFF", "FILE", [(b"FORM", 4, NONE), (b"COMM", 10, NONE), (b"SSND", 4, NONE)]),
        ("AIFF", "FILE", [(b"FORM", 4, ALL), (b"COMM", 10, ALL), (b"SSND", 4, ALL)]),
        ("AU", "FILE", [(b".snd", 8, NONE)]),
        ("AU", "FILE", [(b".snd", 8, ALL)]),
        ("CAF", "FILE", [(b"data", 4, ALL * 2)]),
        ("CAF", "FILE", [(b"data", 4, NONE * 2)]),
        ("W64", "FILE", [(b"data", 16, NONE * 2)]),
        ("W64", "FILE", [(b"data", 16, ALL * 2)]),
    ],
)
def test_a_length_that_was_never_filled_in_is_all_there_is(
    tmp_path: Path,
    container: str,
    endian: str,
    fields: list[tuple[bytes, int, bytes]],
) -> None:
    content = encoded(music(1.1, RATE_HZ), RATE_HZ, container, "PCM_16", endian=endian)
    expected = decoded(tmp_path, content)[0]
    for marked, offset, value in fields:
        content = replaced(content, marked, offset, value)
    samples, notes = decoded(tmp_path, content)
    np.testing.assert_array_equal(samples, expected)
    assert notes == ()


def test_chunks_behind_no_samples_are_no_samples(tmp_path: Path) -> None:
    content = encoded(np.zeros(0), RATE_HZ, "WAV", "PCM_16") + b"LIST\4\0\0\0INFO"
    with pytest.raises(UnusableAudio, match="holds no samples"):
        decoded(tmp_path, content)


def test_of_joined_recordings_one_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    good = encode("flac", 1.1)
    bad = bytearray(encode("flac", 0.7, seed=2))
    bad[60:] = bad[60:][::-1]
    samples, notes = decoded(tmp_path, good + bytes(bad) + good)
    np.testing.assert_array_equal(samples, np.tile(decoded(tmp_path, good)[0], 2))
    [note] = notes
    assert note.startswith("1 of the 3 pieces it is in left out: cannot be read as audio (")


def test_what_was_read_before_an_error_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a piece that is damaged further on, and of one that is read anew for what follows it."""
    monkeypatch.setattr(files, "BLOCK_VALUES", 1_000)
    good = encode("flac", 1.1)
    alone = decoded(tmp_path, good)[0]
    bad = bytearray(encode("flac", 0.7, seed=2))
    middle = len(bad) // 2
    bad[middle : middle + 1000] = bytes(1000)
    samples, notes = decoded(tmp_path, good + bytes(bad) + good)
    np.testing.assert_array_equal(samples, np.tile(alone, 2))
    [note] = notes
    assert note.startswith("1 of the 3 pieces it is in left out: cannot be read as audio (flac")
    samples, notes = decoded(tmp_path, good + ID3V1)
    np.testing.assert_array_equal(samples, alone)
    assert notes == ()


def test_what_is_left_of_an_ogg_without_its_beginning_is_noted(tmp_path: Path) -> None:
    content = encode("ogg", 1.1)
    samples, notes = decoded(tmp_path, content + content[60:])
    np.testing.assert_array_equal(samples, decoded(tmp_path, content)[0])
    assert notes == (
        "1 of the 2 pieces it is in left out: cannot be read as audio (Format not recognised)",
    )


def test_a_tag_before_what_is_no_mp3_is_passed_over(tmp_path: Path) -> None:
    for name in ("flac", "ogg", "wav"):
        content = encode(name, 1.1)
        samples, notes = decoded(tmp_path, ID3V2 + content)
        np.testing.assert_array_equal(samples, decoded(tmp_path, content)[0])
        assert notes == ()


@pytest.mark.parametrize(
    "piece",
    [
        b"RIFF\x0c\0\0\0WAVEdata\0\0\0\0",
        b"fLaC\0\0\0\x22",
        b"OggS\0\2" + bytes(21) + b"?",
        (b"\xff\xfb\x10\0" + bytes(100)) * 3 + b"?",
    ],
)
def test_pieces_without_number_are_no_recording(tmp_path: Path, piece: bytes) -> None:
    with pytest.raises(UnusableAudio, match="in more than 1000 pieces"):
        decoded(tmp_path, piece * 3000)


@pytest.mark.parametrize("name", FORMATS)
def test_of_a_mere_beginning_what_there_is_is_read_or_it_is_refused(
    tmp_path: Path, name: str
) -> None:
    content = encode(name, 0.1)
    for n_bytes in range(1, 100, 7):
        with contextlib.suppress(UnusableAudio):
            assert len(decoded(tmp_path, content[:n_bytes])[0]) < 0.1 * RATE_HZ


def test_a_place_behind_the_end_holds_nothing() -> None:
    [part] = parts_of(io.BytesIO(b"no audio"))
    assert part.seek(0, io.SEEK_END) == 8
    assert part.seek(-100, io.SEEK_CUR) == 0
    assert part.read() == b"no audio"
    assert part.seek(100) == 100
    assert part.read(5) == b""
