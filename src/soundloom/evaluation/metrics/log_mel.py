"""Log-mel frames, and windows of them, to compare passages of audio by.

Nothing here is read from params.yaml: results stay comparable when the model's own spectrogram
changes.
"""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import numpy as np
from scipy.fft import next_fast_len

N_BANDS = 40
LOWEST_HZ = 40.0
HIGHEST_HZ = 8000.0  # or half the sample rate, where that is lower
# Passages are found wherever they begin: half a hop off still correlates above 0.95.
HOP_SECONDS = 0.0125
WINDOW_SECONDS = 0.093
# Digital silence; far below the hiss of any recording.
FLOOR_DB = -120.0

PASSAGE_SECONDS = 2.5
# An analysis window spans seven hops, so every fourth frame holds what all of them hold.
_FRAMES_PER_TAP = 4
# What lies further below a passage's loudest level is inaudible, and must not sway a correlation.
_PASSAGE_RANGE_DB = 60.0
# A passage whose levels move less holds nothing to recognise it by: silence, a held tone.
_LEAST_MOVEMENT_DB = 0.5


def log_mel(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples,)`` samples → ``(n_frames, N_BANDS)`` float32 levels in dB, FLOOR_DB at least.

    A band's level is the mean power of its STFT bins (mel scale of Slaney 1998), 0 dB being
    a full-scale sine on a bin's centre. Frame ``t`` is centred on ``t / frames_per_second``; audio
    of any length gives at least one. Compare only frames of one sample rate.
    """
    n_fft = int(next_fast_len(round(WINDOW_SECONDS * sample_rate_hz), real=True))
    stft = librosa.stft(
        np.pad(samples, (n_fft // 2, n_fft - n_fft // 2)),
        n_fft=n_fft,
        hop_length=_hop_samples(sample_rate_hz),
        center=False,
    )
    # A full-scale sine peaks at half the window's sum, and a Hann window sums to n_fft / 2.
    power = np.square(np.abs(stft) * (4.0 / n_fft))
    bands = librosa.filters.mel(
        sr=sample_rate_hz,
        n_fft=n_fft,
        n_mels=N_BANDS,
        fmin=LOWEST_HZ,
        fmax=min(HIGHEST_HZ, sample_rate_hz / 2),
        norm=1,
    )
    levels_db = 10.0 * np.log10(np.maximum((bands @ power).T, 1e-20))
    return np.maximum(levels_db, FLOOR_DB).astype(np.float32)


def frames_per_second(sample_rate_hz: int) -> float:
    """How many frames :func:`log_mel` makes of one second: about 80, and never rounded."""
    return sample_rate_hz / _hop_samples(sample_rate_hz)


def passage_frames(rate: float, seconds: float = PASSAGE_SECONDS) -> int:
    """Frames a passage of ``seconds`` spans at ``rate`` frames a second."""
    return max(round(seconds * rate), 2 * _FRAMES_PER_TAP)


def passages(frames: np.ndarray, starts: np.ndarray, n_frames: int) -> np.ndarray:
    """Passages of ``frames`` as unit vectors, so that a product of two is their correlation.

    ``frames`` (n, n_bands) in dB, ``starts`` (k,) first frames → ``(k, n_taps * n_bands)`` float32.
    Each band's mean over the passage is taken away: gain and equalisation leave no trace, and what
    remains is how the spectrum moves. Steady passages become zeros, which correlate with nothing.
    """
    taps = np.arange(0, n_frames, _FRAMES_PER_TAP)
    levels = frames[np.asarray(starts)[:, None] + taps]
    levels = np.maximum(levels, levels.max(axis=(1, 2), keepdims=True) - _PASSAGE_RANGE_DB)
    vectors = (levels - levels.mean(axis=1, keepdims=True)).reshape(len(levels), -1)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    moving = norms >= _LEAST_MOVEMENT_DB * np.sqrt(vectors.shape[1])
    return np.where(moving, vectors / np.maximum(norms, 1e-12), 0.0).astype(np.float32)


def passage_blocks(
    frames: np.ndarray, n_frames: int, block_passages: int = 1024
) -> Iterator[tuple[int, np.ndarray]]:
    """Every passage of ``frames``, one a frame: (first start, :func:`passages`) block by block."""
    n_starts = len(frames) - n_frames + 1
    for first in range(0, n_starts, block_passages):
        starts = np.arange(first, min(first + block_passages, n_starts))
        yield first, passages(frames, starts, n_frames)


def _hop_samples(sample_rate_hz: int) -> int:
    return round(HOP_SECONDS * sample_rate_hz)
