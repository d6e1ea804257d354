"""Files made to break whoever reads them: real recordings and archives, damaged by a seed.

The same seed gives the same files. ``bench/hostile_audio.py`` reads thousands of them in processes
that it watches, and the tests a few.
"""

from __future__ import annotations

import io
import re
import stat
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from recordings import encoded, encoded_by_ffmpeg, music
from soundloom.audio.files import decode_tagged
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.ingest.sources import debian, files

RATE_HZ = 22_050
GOOD = ("accepted", "noted", "refused")

# What one zip of ours may unpack to, for as long as it is read.
MAX_UNPACKED_BYTES = 2 << 20

# What libsndfile writes of what it reads: container and subtype.
FORMATS = [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"),
    ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"),
    ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AIFF", "IMA_ADPCM"), ("AU", "PCM_16"),
    ("AU", "G721_32"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip
# And what FFmpeg writes of what is read through it.
FFMPEG_FORMATS = [
    ("ipod", "aac"), ("mp4", "aac"), ("ipod", "alac"), ("mov", "pcm_s16le"), ("adts", "aac"),
    ("asf", "wmav2"), ("matroska", "flac"), ("webm", "libopus"), ("avi", "pcm_s16le"),
    ("flv", "aac"), ("wv", "wavpack"), ("tta", "tta"),
]  # fmt: skip
N_FORMATS = len(FORMATS) + len(FFMPEG_FORMATS)
# (Hz, channels)
SHAPES = ((8_000, 1), (16_000, 2), (24_000, 1), (48_000, 2))
MONO_ONLY = ("GSM610", "G721_32")

HEADER_BYTES = 128
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 20)

Damage = Callable[[np.random.Generator, bytes], bytes]


def cut(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: rng.integers(len(content))]


def cut_in_header(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: rng.integers(HEADER_BYTES)]


def flip(rng: np.random.Generator, content: bytes, within: int | None = None) -> bytes:
    damaged = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(min(within or len(damaged), len(damaged)), size=rng.integers(1, 40))
    damaged[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    return damaged.tobytes()


def flip_in_header(rng: np.random.Generator, content: bytes) -> bytes:
    return flip(rng, content, HEADER_BYTES)


def extreme_field(rng: np.random.Generator, content: bytes) -> bytes:
    """A number of the header, as long as such are, becomes an extreme one."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 3)):
        n_bytes = int(rng.choice([2, 4, 8]))
        place = 2 * rng.integers(HEADER_BYTES // 2 - 4)
        value = int(rng.choice(EXTREMES)) % (1 << 8 * n_bytes)
        damaged[place : place + n_bytes] = value.to_bytes(n_bytes, rng.choice(["little", "big"]))
    return bytes(damaged)


def overwrite(rng: np.random.Generator, content: bytes) -> bytes:
    """A run of bytes becomes noise, zeros or ones."""
    damaged = bytearray(content)
    place, size = rng.integers(len(content)), int(rng.integers(1, 4000))
    damaged[place : place + size] = (rng.bytes(size), bytes(size), b"\xff" * size)[rng.integers(3)]
    return bytes(damaged[: len(content)])


def drop(rng: np.random.Generator, content: bytes) -> bytes:
    place = rng.integers(len(content))
    return content[:place] + content[place + rng.integers(1, 2000) :]


def insert(rng: np.random.Generator, content: bytes) -> bytes:
    place = rng.integers(len(content))
    return content[:place] + rng.bytes(int(rng.integers(1, 2000))) + content[place:]


def repeat(rng: np.random.Generator, content: bytes) -> bytes:
    """Joined with what is left of itself."""
    return content + content[rng.integers(HEADER_BYTES) :]


def foreign_header(rng: np.random.Generator, content: bytes) -> bytes:
    marks = (
        b"OggS\0\2",
        b"fLaC",
        b"RIFF",
        b"RF64",
        b"ID3\4",
        b"\xff\xfb\x90\x44",
        b".snd",
        b"FORM",
    )
    mark = marks[rng.integers(len(marks))]
    return mark + content[len(mark) :]


def shuffle(rng: np.random.Generator, content: bytes) -> bytes:
    blocks = [content[i : i + 512] for i in range(0, len(content), 512)]
    return b"".join(blocks[i] for i in rng.permutation(len(blocks)))


DAMAGES: tuple[Damage, ...] = (
    cut, cut_in_header, flip, flip_in_header, flip_in_header, extreme_field, extreme_field,
    overwrite, drop, insert, repeat, foreign_header, shuffle,
)  # fmt: skip


def hostile_audio(seed: int, n_files: int, seconds: float) -> Iterator[tuple[str, bytes]]:
    """Damaged recordings of ``seconds``, every format in turn, with what each is."""
    rng = np.random.default_rng(seed)
    for number in range(n_files):
        container, subtype = (*FORMATS, *FFMPEG_FORMATS)[number % N_FORMATS]
        rate_hz, n_channels = SHAPES[rng.integers(len(SHAPES))]
        content = _whole(container, subtype, rate_hz, n_channels, seconds)
        if subtype in ("FLOAT", "DOUBLE") and number % 3 == 0:
            yield f"{container} {subtype}, not finite", _not_finite(rng, container, subtype)
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        yield f"{container} {subtype}, {damage.__name__}", damage(rng, content)


@cache
def _whole(container: str, subtype: str, rate_hz: int, n_channels: int, seconds: float) -> bytes:
    samples = music(seconds, rate_hz, seed=rate_hz)[:, None]
    samples = np.repeat(samples, 1 if subtype in MONO_ONLY else n_channels, axis=1)
    if (container, subtype) in FORMATS:
        return encoded(samples, rate_hz, container, subtype)
    return encoded_by_ffmpeg(samples, rate_hz, container, subtype, {"artist": "A", "title": "T"})


def _not_finite(rng: np.random.Generator, container: str, subtype: str) -> bytes:
    samples = music(0.2, 8_000)
    samples[rng.integers(len(samples))] = rng.choice([np.nan, np.inf, -np.inf])
    return encoded(samples, 8_000, container, subtype)


def hostile_zips(seed: int, n_files: int) -> Iterator[tuple[str, bytes]]:
    """Zips of sounds under hostile names, of links and devices, bombs, encrypted, damaged."""
    rng = np.random.default_rng(seed)
    sound = _whole("WAV", "PCM_16", 8_000, 1, 0.2)
    for number in range(n_files):
        method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method[rng.integers(4)]) as archive:
            for name in rng.choice(HOSTILE_NAMES, size=6):
                member = zipfile.ZipInfo(str(name))
                mode = (stat.S_IFREG, stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO)
                member.external_attr = (mode[rng.integers(5)] | 0o777) << 16
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of names that are there already
                    archive.writestr(member, sound if rng.integers(4) else b"/etc/passwd")
            if number % 8 == 0:
                archive.writestr("genres/rock/bomb.wav", bytes(1 << 22), zipfile.ZIP_DEFLATED)
        content = file.getvalue()
        kind = ZIP_DAMAGES[number % len(ZIP_DAMAGES)]
        yield f"zip, {kind.__name__}", kind(rng, content)


def as_it_is(rng: np.random.Generator, content: bytes) -> bytes:
    return content


def encrypted(rng: np.random.Generator, content: bytes) -> bytes:
    """Say of every member that it is encrypted."""
    flagged = bytearray(content)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for found in re.finditer(mark, content):
            flagged[found.start() + flags] |= 1
    return bytes(flagged)


def flip_in_directory(rng: np.random.Generator, content: bytes) -> bytes:
    start = content.find(b"PK\1\2")
    return content[:start] + flip(rng, content[start:])


ZIP_DAMAGES: tuple[Damage, ...] = (
    as_it_is, as_it_is, encrypted, flip, flip_in_directory, flip_in_directory, cut, drop, insert,
    overwrite,
)  # fmt: skip

HOSTILE_NAMES = [
    "genres/rock/rock.00000.wav", "genres/rock/ROCK.00000.WAV", "other/genres/rock/rock.00000.wav",
    "rock/rock.00000.wav", "rock/rock.00000.wav/inside.wav", "rock", "../up.wav", "/abs.wav",
    "rock/../../up.wav", "genres/rock/../../../../up.wav", "..\\up.wav", "C:\\up.wav", "//up.wav",
    "rock/" + "x" * 300 + ".wav", "rock/" * 200 + "deep.wav", "rock/é.wav", "rock/e\u0301.wav",
    "rock/new\nline.wav", "rock/\x1b[31mred.wav", "rock/<script>.wav", "rock/ .wav", "rock/..wav",
    "rock/con.wav", "rock/\U0001f3b8.wav", "rock/.hidden.wav", "rock/a.m4a", "rock/song.ini",
]  # fmt: skip


TAR_KINDS = (
    tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE,
)  # fmt: skip
LINK_TARGETS = ("/etc", "../..", "/dev/zero", "music/good.wav")


def hostile_package(seed: int) -> bytes:
    """A Debian package, which is an `ar` archive, with a hostile tar in it."""
    members = {"debian-binary": b"2.0\n", "control.tar": b"", "data.tar": _hostile_tar(seed)}
    content = b"!<arch>\n"
    for name, body in members.items():
        content += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return content


def _hostile_tar(seed: int) -> bytes:
    """A sound, and what leads out of the tar."""
    rng = np.random.default_rng(seed)
    sound = _whole("WAV", "PCM_16", 8_000, 1, 0.2)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        members = [("./music/good.wav", tarfile.REGTYPE, "")]
        for name in rng.choice(HOSTILE_NAMES, size=rng.integers(1, 6), replace=False):
            kind = TAR_KINDS[rng.integers(len(TAR_KINDS))]
            members.append((str(name), kind, str(rng.choice(LINK_TARGETS))))
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.devmajor, member.devminor = kind, target, 1, 5
            member.size = len(sound) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(sound))
    return file.getvalue()


def read_audio(path: Path) -> dict[str, Any]:
    """Accepted and right, or refused with a reason, or neither."""
    try:
        decoded = decode_tagged(path, RATE_HZ)
    except UnusableAudio as error:
        is_line = error.reason.isprintable() and str(path.parent) not in error.reason
        return {"result": "refused" if is_line else "wrong", "detail": error.reason}
    except Exception as error:
        return {"result": "wrong", "detail": repr(error)}
    samples = decoded.samples[:]
    right = samples.dtype == np.float32 and samples.ndim == 1 and len(samples) > 0
    right = right and bool(np.isfinite(samples).all()) and float(np.abs(samples).max()) <= 1.0
    result = ("noted" if decoded.notes else "accepted") if right else "wrong"
    seconds = round(len(samples) / RATE_HZ, 2)
    return {"result": result, "seconds": seconds, "detail": "; ".join(decoded.notes)}


def read_archive(path: Path) -> dict[str, Any]:
    """Unpacked with all that was left out listed, or refused; nothing outside in either case."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "work" / "inside"
        try:
            if path.suffix == ".zip":
                rejected = files.unpack_zip(path, inside, PurePosixPath)
            else:
                rejected = debian.collect_package(path, inside).rejected
            result = "noted" if rejected else "accepted"
        except SoundloomError as error:
            result = "refused" if "\n" not in str(error) else "wrong"
        except Exception as error:
            return {"result": "wrong", "detail": repr(error)}
        outside = [
            str(found)
            for found in Path(folder).rglob("*")
            if not found.is_relative_to(inside) and found != inside.parent
        ]
        n_bytes = sum(file.lstat().st_size for file in inside.rglob("*"))
        if outside or n_bytes > MAX_UNPACKED_BYTES + (1 << 20):
            return {"result": "wrong", "detail": f"{outside} outside, {n_bytes} bytes inside"}
        return {"result": result}
