"""Audio files ⇄ samples: ``(n_samples,)`` float32, mono, in [-1, 1]."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from soundloom.audio.channels import Powers
from soundloom.audio.parts import MAX_PARTS, Part, n_bytes_behind, parts_of
from soundloom.audio.samples import within_full_scale
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.common.io import written_aside

# What libsndfile can open, by the endings people give such files.
AUDIO_SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au",
    ".snd", ".caf", ".w64", ".rf64",
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

# What can be written, by its ending: libsndfile's names for container and coding. PCM_16 because
# its bytes depend on the samples alone: float WAV carries a time stamp.
WRITTEN = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}
# Samples written at a time: handed minutes at once, libsndfile's Vorbis encoder crashes.
WRITE_SAMPLES = 1 << 16

# Values (all channels together) decoded at a time, so that an hour of 5.1 at 192 kHz never lies
# in memory at once.
BLOCK_VALUES = 1 << 21


@dataclass(frozen=True)
class Decoded:
    """What was read of a recording: ``(n_samples,)``, and what its owner should know of that."""

    samples: np.ndarray
    notes: tuple[str, ...] = ()


def read_audio(path: Path, sample_rate_hz: int) -> np.ndarray:
    """The samples that :func:`decode_file` gives."""
    return decode_file(path, sample_rate_hz).samples


def decode_file(path: Path, sample_rate_hz: int) -> Decoded:
    """Read any file libsndfile knows as mono at ``sample_rate_hz``.

    Channels are averaged, then resampled with soxr at high quality. Empty channels are left out;
    of two that cancel each other the louder one is used, and of several that do so together the
    loudest alone. Several recordings joined in one file are read one after another; what nobody
    knows behind the last is noted. Of a truncated file, what libsndfile decodes without an error is
    returned.

    Returns ``(n_samples,)`` float32, finite, not empty; a peak above 1 is scaled down to 1.

    Raises :class:`UnusableAudio`: missing, unreadable, empty, longer than ``MAX_HOURS``, or
    holding NaN, infinity, or values beyond ``LARGEST``.
    """
    decoded = _decoded(path, sample_rate_hz)
    return replace(decoded, samples=within_full_scale(decoded.samples))


def decode_stems(paths: Sequence[Path], sample_rate_hz: int) -> Decoded:
    """Read several files, as :func:`decode_file` does, and sum them: the stems of one recording.

    Shorter ones are padded with silence. Only the sum is scaled down, so that the stems keep
    their balance.
    """
    mix, notes = np.zeros(0, dtype=np.float32), []
    for path in paths:
        decoded = _decoded(path, sample_rate_hz)
        notes += [f"{path.name}: {note}" if len(paths) > 1 else note for note in decoded.notes]
        stem = decoded.samples
        longer, shorter = (mix, stem) if len(mix) >= len(stem) else (stem, mix)
        longer[: len(shorter)] += shorter
        mix = longer
    return Decoded(within_full_scale(mix), tuple(notes))


def _decoded(path: Path, sample_rate_hz: int) -> Decoded:
    """Read ``path`` as :func:`decode_file` does, at the level it was recorded at."""
    streams: list[Decoded] = []
    unread: list[str] = []
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            raise UnusableAudio(path, "no such file")
        if path.stat().st_size == 0:
            raise UnusableAudio(path, "empty file")
        with path.open("rb") as file:
            parts = parts_of(file)
            n_behind = n_bytes_behind(file, parts[-1])
            if len(parts) > MAX_PARTS:
                raise UnusableAudio(path, f"in more than {MAX_PARTS} pieces, as if damaged")
            for part in parts:
                try:
                    streams.append(_decode_part(part, sample_rate_hz))
                except (soundfile.SoundFileError, _Implausible, ValueError) as error:
                    unread.append(_explained(error))
                if sum(len(one.samples) for one in streams) > MAX_HOURS * 3600 * sample_rate_hz:
                    raise UnusableAudio(path, TOO_LONG)
    except OSError as error:
        raise UnusableAudio(path, f"cannot be read ({error.strerror})") from None
    if not streams:
        raise UnusableAudio(path, unread[0])
    one, *others = (stream.samples for stream in streams)
    samples = np.concatenate([one, *others]) if others else one
    if len(samples) == 0:
        raise UnusableAudio(path, "holds no samples")
    notes = [note for stream in streams for note in stream.notes]
    if unread:
        n_parts = len(streams) + len(unread)
        notes.append(f"{len(unread)} of the {n_parts} pieces it is in left out: {unread[0]}")
    if n_behind:
        notes.append(f"{n_behind} bytes after the end of the sound are not read")
    return Decoded(samples, tuple(dict.fromkeys(notes)))


class _Implausible(Exception):
    """Audio that can be decoded, but is none, or would fill the memory."""


def _explained(error: Exception) -> str:
    """What libsndfile says, without its flourishes."""
    if isinstance(error, _Implausible):
        return str(error)
    text = type(error).__name__
    if isinstance(error, soundfile.LibsndfileError):
        text = error.error_string.strip().rstrip(".").removeprefix("Error : ")
        if error.code == LIBSNDFILE_BAD_FILE:
            text = "no audio found, or damaged"
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


def _decode_part(part: Part, sample_rate_hz: int) -> Decoded:
    """Decode one stream; with its header as it is, if mending that did not help."""
    mark = part.read(4)
    part.seek(0)
    with nullcontext() if mark in OTHER_THAN_MP3 else _mpg123_silenced():
        try:
            return _decode_channels(part, sample_rate_hz)
        except soundfile.LibsndfileError:
            if not part.is_mended:
                raise
            return _decode_channels(part.unmended(), sample_rate_hz)


def _decode_channels(part: Part, sample_rate_hz: int) -> Decoded:
    """Decode one stream, a second time if not all its channels are to be averaged."""
    with _Forward(part) as file:
        if file.samplerate not in PLAUSIBLE_RATES_HZ:
            raise _Implausible(f"claims a sample rate of {file.samplerate} Hz")
        powers = Powers(file.channels, file.samplerate)
        samples = _resampled_mono(file, sample_rate_hz, powers=powers)
        is_compressed = file.format in COMPRESSED
    if len(samples) and not max(samples.max(), -samples.min()) <= LARGEST:
        raise _Implausible(_why_too_large(part))
    notes = []
    if is_compressed and part.unread_share > MAX_UNREAD_SHARE:
        notes.append(f"only {1 - part.unread_share:.0%} of it was read: the rest is damaged")
    chosen, note = powers.choose()
    if note is None:
        return Decoded(samples, tuple(notes))
    del samples  # or two would lie in memory
    part.seek(0)
    with _Forward(part) as file:
        samples = _resampled_mono(file, sample_rate_hz, channels=chosen)
    return Decoded(samples, (*notes, note))


def _why_too_large(part: Part) -> str:
    """What is wrong with a stream of which not all samples are within ``LARGEST``."""
    part.seek(0)
    with _Forward(part) as file:
        largest = np.max([np.abs(block).max() for block in _blocks(file, "float64")])
    if not np.isfinite(largest):
        return "holds NaN or infinite samples"
    return f"holds values as large as {largest:.1e}, where 1 is full scale"


def _resampled_mono(
    file: soundfile.SoundFile,
    sample_rate_hz: int,
    *,
    channels: Sequence[int] | slice = slice(None),
    powers: Powers | None = None,
) -> np.ndarray:
    """All of ``file``, block by block: the average of ``channels`` at ``sample_rate_hz``."""
    stream = soxr.ResampleStream(file.samplerate, sample_rate_hz, 1, "float32", quality="HQ")
    pieces = []
    for block in _blocks(file):
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are the caller's to find
            average = block[:, channels].mean(axis=1)
            pieces.append(stream.resample_chunk(average))
            if powers and file.channels > 1:
                powers.add(block)
    pieces.append(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(pieces)


def _blocks(file: soundfile.SoundFile, dtype: str = "float32") -> Iterator[np.ndarray]:
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


def write_audio(path: Path, samples: np.ndarray, sample_rate_hz: int, channels: int = 1) -> None:
    """Write ``(n_samples,)``, atomically; the ending of ``path`` names the format (``WRITTEN``).

    ``channels=2`` puts the same signal on both sides.

    Raises :class:`SoundloomError` on samples that are not finite or not within [-1, 1], and on a
    rate that the format does not have.
    """
    if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) > 1.0:
        raise SoundloomError(f"{path}: samples must be finite and within [-1, 1]")
    container, subtype = WRITTEN[path.suffix.lower()]
    sound = (sample_rate_hz, channels, subtype)
    with (
        written_aside(path) as aside,
        soundfile.SoundFile(os.fspath(aside), "w", *sound, format=container) as file,
    ):
        for start in range(0, len(samples), WRITE_SAMPLES):
            block = samples[start : start + WRITE_SAMPLES]
            file.write(np.repeat(block[:, None], channels, axis=1))
