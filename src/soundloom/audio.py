"""Audio files ⇄ samples: ``(n_samples,)`` float32, mono, in [-1, 1]."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
import soxr

from soundloom.errors import SoundloomError, UnusableAudio
from soundloom.store import written_aside

# Below this peak (-60 dBFS) a whole recording counts as silence.
SILENCE_PEAK = 1e-3

# What libsndfile can open, by the endings people give such files.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .caf .w64 .rf64".split()
)


def read_audio(path: Path, sample_rate_hz: int) -> np.ndarray:
    """Read any file libsndfile knows as mono at ``sample_rate_hz``.

    Channels are averaged, then resampled with soxr at high quality.

    Returns ``(n_samples,)`` float32, finite, not empty; a peak above 1 is scaled down to 1.

    Raises :class:`UnusableAudio`: unreadable, truncated to nothing, or holding NaN or infinity.
    """
    try:
        channels, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = str(error).split(": ", 1)[-1].strip().rstrip(".")
        raise UnusableAudio(f"{path}: cannot be read as audio ({reason})") from None
    if len(channels) == 0:
        raise UnusableAudio(f"{path}: holds no samples")
    if not np.isfinite(channels).all():
        raise UnusableAudio(f"{path}: holds NaN or infinite samples")
    return within_full_scale(resample(channels.mean(axis=1), rate_hz, sample_rate_hz))


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """``(n_samples,)`` at ``from_hz`` → ``(ceil(n_samples * to_hz / from_hz),)`` or one less."""
    if from_hz == to_hz:
        return samples.astype(np.float32)
    return soxr.resample(samples.astype(np.float32), from_hz, to_hz, quality="HQ")


def within_full_scale(samples: np.ndarray) -> np.ndarray:
    """Scale down, never up, so that no sample lies outside [-1, 1]."""
    peak = float(np.abs(samples).max(initial=0.0))
    return (samples / peak if peak > 1.0 else samples).astype(np.float32)


def is_silent(samples: np.ndarray) -> bool:
    """Whether the loudest sample lies below -60 dBFS."""
    return bool(np.abs(samples).max(initial=0.0) < SILENCE_PEAK)


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
