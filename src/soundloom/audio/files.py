"""Audio files ⇄ samples: ``(n_samples,)`` float32, mono, in [-1, 1]."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

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

# Rates that sound is kept at. A header that claims another is broken, and resampling from 1 Hz
# would fill the memory.
PLAUSIBLE_RATES_HZ = range(1_000, 800_000)

# Values (all channels together) decoded at a time, so that an hour of 5.1 at 192 kHz never lies
# in memory at once.
BLOCK_VALUES = 1 << 21


def read_audio(path: Path, sample_rate_hz: int) -> np.ndarray:
    """Read any file libsndfile knows as mono at ``sample_rate_hz``.

    Channels are averaged, then resampled with soxr at high quality. Of a truncated file, what
    libsndfile decodes without an error is returned.

    Returns ``(n_samples,)`` float32, finite, not empty; a peak above 1 is scaled down to 1.

    Raises :class:`UnusableAudio`: unreadable, empty, or holding NaN or infinity.
    """
    return within_full_scale(_decode(path, sample_rate_hz))


def read_mix(paths: Sequence[Path], sample_rate_hz: int) -> np.ndarray:
    """Read several files, as :func:`read_audio` does, and sum them: the stems of one recording.

    Shorter ones are padded with silence. Only the sum is scaled down, so that the stems keep
    their balance.
    """
    mix = np.zeros(0, dtype=np.float32)
    for path in paths:
        stem = _decode(path, sample_rate_hz)
        longer, shorter = (mix, stem) if len(mix) >= len(stem) else (stem, mix)
        longer[: len(shorter)] += shorter
        mix = longer
    return within_full_scale(mix)


def _decode(path: Path, sample_rate_hz: int) -> np.ndarray:
    """Read ``path`` as :func:`read_audio` does, at the level it was recorded at."""
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            raise UnusableAudio(path, "no such file")
        if path.stat().st_size == 0:
            raise UnusableAudio(path, "empty file")
        with soundfile.SoundFile(path) as file:
            if file.samplerate not in PLAUSIBLE_RATES_HZ:
                raise UnusableAudio(path, f"claims a sample rate of {file.samplerate} Hz")
            samples = _resampled_mono(file, sample_rate_hz)
    except soundfile.LibsndfileError as error:
        raise UnusableAudio(path, f"cannot be read as audio ({_explained(error)})") from None
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise UnusableAudio(path, f"cannot be read as audio ({type(error).__name__})") from None
    if len(samples) == 0:
        raise UnusableAudio(path, "holds no samples")
    if not np.isfinite(samples).all():
        raise UnusableAudio(path, "holds NaN or infinite samples")
    return samples


def _explained(error: soundfile.LibsndfileError) -> str:
    """What libsndfile says, without its flourishes."""
    if error.code == LIBSNDFILE_BAD_FILE:
        return "no audio found, or damaged"
    return error.error_string.strip().rstrip(".").removeprefix("Error : ")


def _resampled_mono(file: soundfile.SoundFile, sample_rate_hz: int) -> np.ndarray:
    """All of ``file``, block by block: the average of its channels at ``sample_rate_hz``."""
    stream = soxr.ResampleStream(file.samplerate, sample_rate_hz, 1, "float32", quality="HQ")
    block_frames = max(1, BLOCK_VALUES // file.channels)
    pieces = []
    while len(block := file.read(block_frames, dtype="float32", always_2d=True)):
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are the caller's to find
            pieces.append(stream.resample_chunk(block.mean(axis=1)))
    pieces.append(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(pieces)


def write_audio(path: Path, samples: np.ndarray, sample_rate_hz: int, channels: int = 1) -> None:
    """Write PCM_16, atomically; the ending of ``path`` (.wav or .flac) names the format.

    ``channels=2`` puts the same signal on both sides. PCM_16 because its bytes depend on the
    samples alone: float WAV carries a time stamp.

    Raises :class:`SoundloomError` on samples that are not finite or not within [-1, 1].
    """
    if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) > 1.0:
        raise SoundloomError(f"{path}: samples must be finite and within [-1, 1]")
    sides = np.repeat(samples[:, None], channels, axis=1)
    with written_aside(path) as aside:
        soundfile.write(os.fspath(aside), sides, sample_rate_hz, "PCM_16", format=path.suffix[1:])
