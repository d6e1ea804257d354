"""Audio files ⇄ samples: ``(n_samples,)``, stereo ``(n_samples, 2)``, float32 in [-1, 1]."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from soundloom.audio.channels import Powers
from soundloom.audio.containers import (
    DAMAGED,
    NO_TAGS,
    Tags,
    Track,
    Undecodable,
    opened_track,
    read_tags,
)
from soundloom.audio.parts import MAX_PARTS, Part, n_bytes_behind, parts_of
from soundloom.audio.samples import resample, within_full_scale
from soundloom.audio.stored import Samples, StoredSamples
from soundloom.common.channels import in_channels, n_channels
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.common.io import written_aside
from soundloom.common.user_files import why_no_file

# What can be opened, by the endings people give such files: first by libsndfile, then by FFmpeg.
AUDIO_SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au",
    ".snd", ".caf", ".w64", ".rf64",
    ".m4a", ".m4b", ".m4p", ".mp4", ".m4v", ".mov", ".3gp", ".aac", ".alac", ".wma", ".wmv", ".asf",
    ".mka", ".mkv", ".webm", ".avi", ".flv", ".wv", ".tta", ".ape", ".mpc", ".amr", ".ra", ".rm",
    ".dsf", ".ac3", ".dts",
)  # fmt: skip

# libsndfile's number for "no such file, or no regular one", which it also gives for broken MP3.
LIBSNDFILE_BAD_FILE = 7

# How the formats begin that are most read, and never by its MP3 decoder.
OTHER_THAN_MP3 = (b"RIFF", b"fLaC", b"OggS", b"FORM")

# Rates that sound is kept at. A header that claims another is broken, and resampling from 1 Hz
# would fill the memory.
PLAUSIBLE_RATES_HZ = range(1_000, 800_000)

# More than this is a mistake, or a file made to fill the memory: hours of silence take kilobytes.
MAX_HOURS = 6
TOO_LONG = f"longer than {MAX_HOURS} hours: cut it into pieces"

# Formats in which all is audio, as good as: elsewhere pictures and padding are passed over unread.
COMPRESSED = ("OGG", "FLAC", "MP3")
MAX_UNREAD_SHARE = 0.1

# Full scale is 1; of floats some write 2 ** 31. What is larger than this, resampling or a sum may
# carry beyond what float32 holds.
LARGEST = 1e30

# Values (all channels together) decoded at a time, so that an hour of 5.1 at 192 kHz never lies
# in memory at once.
BLOCK_VALUES = 1 << 21


@dataclass(frozen=True)
class Decoded:
    """What was read of a recording, and what its owner should know of that."""

    samples: Samples
    """``(n_samples,)``, or ``(n_samples, 2)`` where two channels were asked for."""
    notes: tuple[str, ...] = ()
    tags: Tags = NO_TAGS


@dataclass(frozen=True)
class _Wanted:
    """What is to be read of a file: ``is_ours`` where no channel of it can be a fault.

    Of ours all is wanted in memory, and of others a piece at a time.
    """

    sample_rate_hz: int
    channels: int
    is_ours: bool = False


def read_audio(path: Path, sample_rate_hz: int, channels: int = 1) -> np.ndarray:
    """Read what :func:`write_audio` wrote: as :func:`decode_file` does, but every channel counts.

    A sound that is in one channel alone for as long as a clip lasts is no fault of a recording.
    """
    wanted = _Wanted(sample_rate_hz, channels, is_ours=True)
    return within_full_scale(_decoded(path, wanted)[0][:])


def decode_file(path: Path, sample_rate_hz: int, channels: int = 1) -> Decoded:
    """Read any file that libsndfile or FFmpeg knows at ``sample_rate_hz``, by default as mono.

    How it begins says what it is, whatever its name. Channels are averaged, then resampled with
    soxr at high quality. Empty channels are left out; of two that cancel each other the louder one
    is used, and of several that do so together the loudest alone. Several recordings joined in one
    file are read one after another; what nobody knows behind the last is noted. Of a truncated
    file, what is decoded without an error is returned; that it was cut short is noted.

    With ``channels`` 2 the two channels of a stereo file are kept, unless one is empty or they
    cancel each other. All else is read as mono, which both sides then have: that more than two
    channels were averaged is noted.

    Gives ``(n_samples,)`` or ``(n_samples, 2)`` float32, finite, not empty; a peak above 1 is
    scaled down to 1. They are read in slices: of hours, no more than a piece is ever in memory.

    Raises :class:`UnusableAudio`: missing, unreadable, empty, longer than ``MAX_HOURS``, or
    holding NaN, infinity, or values beyond ``LARGEST``.
    """
    samples, notes = _decoded(path, _Wanted(sample_rate_hz, channels))
    samples.keep_within_full_scale()
    return Decoded(samples, notes)


def decode_tagged(path: Path, sample_rate_hz: int, channels: int = 1) -> Decoded:
    """Read a file as :func:`decode_file` does, and its tags."""
    decoded = decode_file(path, sample_rate_hz, channels)
    with path.open("rb") as file:
        # A damaged file may lead to before its beginning, of which PyAV would print a traceback.
        whole = Part(file, [(0, path.stat().st_size)])
        return replace(decoded, tags=read_tags(io.BufferedReader(whole)))


def decode_stems(paths: Sequence[Path], sample_rate_hz: int, channels: int = 1) -> Decoded:
    """Read several files, as :func:`decode_file` does, and sum them: the stems of one recording.

    Shorter ones are padded with silence. Only the sum is scaled down, so that the stems keep
    their balance.
    """
    mix, notes = StoredSamples(channels), []
    for path in paths:
        stem, of_stem = _decoded(path, _Wanted(sample_rate_hz, channels))
        notes += [f"{path.name}: {note}" if len(paths) > 1 else note for note in of_stem]
        longer, shorter = (mix, stem) if len(mix) >= len(stem) else (stem, mix)
        longer.add(shorter)
        mix = longer
    mix.keep_within_full_scale()
    return Decoded(mix, tuple(notes))


def _decoded(path: Path, wanted: _Wanted) -> tuple[StoredSamples, tuple[str, ...]]:
    """Read ``path`` as :func:`decode_file` does, at the level it was recorded at; second, notes."""
    samples = StoredSamples(wanted.channels, in_memory=wanted.is_ours)
    notes: list[str] = []
    unread: list[str] = []
    most = MAX_HOURS * 3600 * wanted.sample_rate_hz
    try:
        if why := why_no_file(path):
            raise UnusableAudio(path, why)
        if path.stat().st_size == 0:
            raise UnusableAudio(path, "empty file")
        with path.open("rb") as file:
            parts = parts_of(file)
            n_behind = n_bytes_behind(file, parts[-1])
            if len(parts) > MAX_PARTS:
                raise UnusableAudio(path, f"in more than {MAX_PARTS} pieces, as if damaged")
            for part in parts:
                n_before = len(samples)
                try:
                    notes += _decode_part(part, wanted, samples)
                except (
                    soundfile.SoundFileError, Undecodable, _Implausible, ValueError,
                ) as error:  # fmt: skip
                    samples.cut(n_before)
                    unread.append(_explained(error))
                if len(samples) > most:
                    raise UnusableAudio(path, TOO_LONG)
    except OSError as error:
        raise UnusableAudio(path, f"cannot be read ({error.strerror})") from None
    if len(unread) == len(parts):
        raise UnusableAudio(path, unread[0])
    if len(samples) == 0:
        raise UnusableAudio(path, "holds no samples")
    if unread:
        notes.append(f"{len(unread)} of the {len(parts)} pieces it is in left out: {unread[0]}")
    if parts[-1].is_cut:
        notes.append("cut short: the file ends before its sound does")
    if n_behind:
        notes.append(f"{n_behind} bytes after the end of the sound are not read")
    return samples, tuple(dict.fromkeys(notes))


class _Implausible(Exception):
    """Audio that can be decoded, but is none, or would fill the memory."""


def _explained(error: Exception) -> str:
    """What libsndfile or FFmpeg says, without flourishes."""
    if isinstance(error, _Implausible):
        return str(error)
    text = str(error) if isinstance(error, Undecodable) else type(error).__name__
    if isinstance(error, soundfile.LibsndfileError):
        text = error.error_string.strip().rstrip(".").removeprefix("Error : ")
        if error.code == LIBSNDFILE_BAD_FILE:
            text = DAMAGED
    return f"cannot be read as audio ({text})"


class _Forward(soundfile.SoundFile):
    """A sound file read from its beginning to its end.

    Others seek after every block to where they are, which fails at the end of a stream of unknown
    length.
    """

    def seekable(self) -> bool:
        return False


# One thread at a time may turn standard error away, or another would save what it is turned to.
_stderr = threading.Lock()


@contextmanager
def _mpg123_silenced() -> Iterator[None]:
    """Keep off the terminal what libsndfile's MP3 decoder writes there of every damaged file."""
    with _stderr:
        sys.stderr.flush()
        terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            os.close(nowhere)


def _decode_part(part: Part, wanted: _Wanted, into: StoredSamples) -> list[str]:
    """Add one stream to ``into``; with its header as it is, if mending that did not help.

    Returns notes. Where it raises, some of the stream may have been added.
    """
    n_before = len(into)
    mark = part.read(4)
    part.seek(0)
    is_mp3 = part.demuxer is None and mark not in OTHER_THAN_MP3
    with _mpg123_silenced() if is_mp3 else nullcontext():
        try:
            return _decode_channels(part, wanted, into)
        except soundfile.LibsndfileError:
            if not part.is_mended:
                raise
            into.cut(n_before)
            return _decode_channels(part.unmended(), wanted, into)


def _opened(part: Part) -> AbstractContextManager[_Forward | Track]:
    """The sound in ``part``, from its beginning."""
    part.seek(0)
    return opened_track(part, part.demuxer) if part.demuxer else _Forward(part)


def _decode_channels(part: Part, wanted: _Wanted, into: StoredSamples) -> list[str]:
    """Decode one stream, a second time if not all its channels are to be used."""
    rate_hz, channels, n_before = wanted.sample_rate_hz, wanted.channels, len(into)
    with _opened(part) as file:
        if file.samplerate not in PLAUSIBLE_RATES_HZ:
            raise _Implausible(f"claims a sample rate of {file.samplerate} Hz")
        powers = None if wanted.is_ours else Powers(file.channels, file.samplerate)
        is_stereo = channels == file.channels == 2
        is_plausible = True
        for piece in _resampled(file, rate_hz, is_stereo=is_stereo, powers=powers):
            is_plausible &= len(piece) == 0 or bool(max(piece.max(), -piece.min()) <= LARGEST)
            into.append(piece)
        notes = [*file.notes] if isinstance(file, Track) else []
        if channels == 2 < file.channels:
            notes.append(f"its {file.channels} channels are read as mono; stereo has two")
        read_share = _read_share(file, part)
    if not is_plausible:
        raise _Implausible(_why_too_large(part))
    if 1.0 - read_share > MAX_UNREAD_SHARE:
        notes.append(f"only {read_share:.0%} of it was read: the rest is damaged")
    chosen, note = powers.choose() if powers else ([], None)
    if note is None:
        return notes
    into.cut(n_before)
    with _opened(part) as file:
        for piece in _resampled(file, rate_hz, averaged=chosen):
            into.append(piece)
    return [*notes, note]


def _read_share(file: _Forward | Track, part: Part) -> float:
    """How much of a file's sound was read, from 0 to 1, as far as that can be told."""
    if isinstance(file, Track):
        return file.read_share
    return 1.0 - part.unread_share if file.format in COMPRESSED else 1.0


def _why_too_large(part: Part) -> str:
    """What is wrong with a stream of which not all samples are within ``LARGEST``."""
    with _opened(part) as file:
        largest = np.max([np.abs(block).max() for block in _blocks(file, "float64")])
    if not np.isfinite(largest):
        return "holds NaN or infinite samples"
    return f"holds values as large as {largest:.1e}, where 1 is full scale"


def _resampled(
    file: _Forward | Track,
    sample_rate_hz: int,
    *,
    is_stereo: bool = False,
    averaged: Sequence[int] | slice = slice(None),
    powers: Powers | None = None,
) -> Iterator[np.ndarray]:
    """All of ``file``, piece by piece, at ``sample_rate_hz``: both channels, or the average."""
    n_kept = 2 if is_stereo else 1
    is_at_rate = file.samplerate == sample_rate_hz
    stream = soxr.ResampleStream(file.samplerate, sample_rate_hz, n_kept, "float32", quality="HQ")
    for block in _blocks(file):
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are the caller's to find
            kept = block if is_stereo else _average(block[:, averaged])
            piece = kept if is_at_rate else stream.resample_chunk(kept)
            if powers and file.channels > 1:
                powers.add(block)
        yield piece
    if is_at_rate:
        return
    nothing = in_channels(np.zeros(0, dtype=np.float32), n_kept)
    yield stream.resample_chunk(nothing, last=True)


def _average(block: np.ndarray) -> np.ndarray:
    """``(n_frames, n_channels)`` → ``(n_frames,)``."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _blocks(file: _Forward | Track, dtype: str = "float32") -> Iterator[np.ndarray]:
    """All of ``file``, ``(n_frames, n_channels)`` at a time."""
    n_left = file.frames  # asked for more, libsndfile decodes what lies behind
    n_most = round(MAX_HOURS * 3600 * file.samplerate)
    while n_left > 0:
        n_frames = min(n_left, max(1, BLOCK_VALUES // file.channels))
        block = file.read(n_frames, dtype=dtype, always_2d=True)
        if len(block) == 0:
            return
        yield block
        n_left, n_most = n_left - len(block), n_most - len(block)
        if n_most < 0:
            raise _Implausible(TOO_LONG)


@dataclass(frozen=True)
class Encoding:
    """A format that is written: libsndfile's names for it, and the rates it has, in Hz, if few.

    ``compression_level`` is from 0, the best, to 1, the smallest; ``None`` is the encoder's own.
    """

    container: str
    subtype: str
    rates_hz: tuple[int, ...] = ()
    compression_level: float | None = None

    def rate_hz(self, wanted_hz: int) -> int:
        """``wanted_hz``, or the next higher rate there is, or the highest."""
        rates_hz = self.rates_hz or (wanted_hz,)
        return min((rate for rate in rates_hz if rate >= wanted_hz), default=max(rates_hz))


# By the ending of the file. PCM_16 because its bytes depend on the samples alone: float WAV carries
# a time stamp, and Ogg a random number.
WRITTEN = {
    ".wav": Encoding("WAV", "PCM_16"),
    ".flac": Encoding("FLAC", "PCM_16"),
    ".mp3": Encoding(
        "MP3",
        "MPEG_LAYER_III",
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
        compression_level=0.2,
    ),
    ".ogg": Encoding("OGG", "VORBIS", compression_level=0.2),
    ".opus": Encoding("OGG", "OPUS", (8_000, 12_000, 16_000, 24_000, 48_000)),
}
# Given a minute or more at once, libsndfile's encoder for Ogg Vorbis overruns its stack.
WRITE_FRAMES = 1 << 16


def write_audio(path: Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    """Write ``(n_samples,)`` as mono, ``(n_samples, 2)`` as stereo, atomically.

    The ending of ``path`` names the format (``WRITTEN``). What a format does not have at this rate
    is resampled to the next that it has: Opus is written at 48 kHz where 44.1 are asked for.

    Raises :class:`SoundloomError` on samples that are not finite or not within [-1, 1], and on
    another ending.
    """
    if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) > 1.0:
        raise SoundloomError(f"{path}: samples must be finite and within [-1, 1]")
    encoding = WRITTEN.get(path.suffix.lower())
    if encoding is None:
        raise SoundloomError(f"{path}: must end in {', '.join(WRITTEN)}")
    rate_hz = encoding.rate_hz(sample_rate_hz)
    if rate_hz != sample_rate_hz:
        samples = within_full_scale(resample(samples, sample_rate_hz, rate_hz))
    with (
        written_aside(path) as aside,
        soundfile.SoundFile(
            os.fspath(aside), "w", rate_hz, n_channels(samples), encoding.subtype,
            format=encoding.container,
            compression_level=encoding.compression_level,
        ) as file,
    ):  # fmt: skip
        for start in range(0, len(samples), WRITE_FRAMES):
            file.write(samples[start : start + WRITE_FRAMES])
