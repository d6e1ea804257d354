"""Samples ⇄ levels ``(n_frames, n_bins)``, not yet scaled: forward and inverse side by side.

Forward: STFT (centred Hann windows) → amplitude relative to a full-scale sine → mel bands, or the
STFT's own bins → dB or log. Inverse: the same steps backwards, with non-negative least squares for
the mel bands; ``phase`` finds the phases.
"""

from __future__ import annotations

from functools import lru_cache

import librosa
import numpy as np
from scipy.sparse import csr_array

from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.phase import griffin_lim, tonal_phases

# Amplitudes are floored at -200 dB re full scale before the logarithm: digital silence, not -inf.
AMPLITUDE_FLOOR = 1e-10
# Multiplicative updates have settled to 1 % of their final error after this many rounds.
_NNLS_ITERATIONS = 50
# Frames whose updates are made together: what they take stays in a core's cache.
_NNLS_FRAMES = 128


def analyse(samples: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples,)`` samples → ``(n_frames, n_bins)`` float32 levels, not yet scaled.

    Levels are dB re a full-scale sine (``amplitude: db``) or ``log(1 + gain * amplitude)``.
    """
    amplitude = stft_amplitude(samples, config)
    if config.kind == "mel":
        amplitude = amplitude @ mel_filters(config, sample_rate_hz).T
    # In place: copies of this size take longer than the arithmetic.
    if config.amplitude == "db":
        np.maximum(amplitude, AMPLITUDE_FLOOR, out=amplitude)
        np.log10(amplitude, out=amplitude)
        amplitude *= 20.0
        return amplitude
    amplitude *= config.log1p_gain
    return np.log1p(amplitude, out=amplitude)


def synthesise(
    levels: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int, n_samples: int
) -> np.ndarray:
    """Undo :func:`analyse`: levels → ``(n_samples,)`` float32 samples.

    Samples may exceed [-1, 1].
    """
    if config.amplitude == "db":
        amplitude = 10.0 ** (levels / 20.0)
    else:
        amplitude = np.expm1(levels) / config.log1p_gain
    amplitude = np.maximum(amplitude, 0.0).astype(np.float32)
    if config.kind == "mel":
        amplitude = _bins_from_bands(amplitude, mel_filters(config, sample_rate_hz))
    magnitudes = (amplitude / _amplitude_per_magnitude(config)).T
    phases = tonal_phases(magnitudes, config.n_fft, config.hop_samples)
    samples = griffin_lim(
        magnitudes,
        phases,
        config.n_fft,
        config.hop_samples,
        n_iterations=config.griffin_lim_iterations,
    )
    return samples[:n_samples].astype(np.float32)


def bin_frequencies_hz(config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """Centre frequency of each bin, ``(n_bins,)`` in Hz."""
    if config.kind == "stft":
        return librosa.fft_frequencies(sr=sample_rate_hz, n_fft=config.n_fft)
    edges = librosa.mel_frequencies(config.n_mels + 2, fmin=0.0, fmax=sample_rate_hz / 2)
    return edges[1:-1]


def mel_filters(config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(n_mels, n_fft // 2 + 1)`` triangles (Slaney 1998), each summing to 1.

    A band is thus the weighted mean of its bins' amplitudes, on the same scale as the bins.
    Read-only, as all who ask have the same.
    """
    return _mel_filters(sample_rate_hz, config.n_fft, config.n_mels)


@lru_cache(maxsize=8)
def _mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    filters = librosa.filters.mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels, norm=1)
    filters = filters.astype(np.float32)
    filters.setflags(write=False)
    return filters


def stft_amplitude(samples: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """``(n_frames, n_fft // 2 + 1)`` float32; a full-scale sine on a bin's centre gives 1."""
    stft = librosa.stft(samples, n_fft=config.n_fft, hop_length=config.hop_samples)
    amplitude = np.abs(stft).T.astype(np.float32, copy=False)
    amplitude *= _amplitude_per_magnitude(config)
    return amplitude


def _amplitude_per_magnitude(config: SpectrogramConfig) -> np.float32:
    # A sine of amplitude 1 peaks at half the window's sum; a periodic Hann window sums to n_fft/2.
    return np.float32(4.0 / config.n_fft)


def _bins_from_bands(bands: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Non-negative ``bins`` with ``bins @ filters.T ≈ bands``, in the least-squares sense.

    ``bands`` (n_frames, n_mels), ``filters`` (n_mels, n_fft_bins) → (n_frames, n_fft_bins).

    Multiplicative updates (Lee & Seung 2001, Euclidean case). They start from each bin's share of
    its bands, which spreads energy evenly and so generalises better inside a band than the sparse
    solutions of an active-set solver.
    """
    # Each bin lies in two bands at most: nearly all products would be with zeros.
    to_bands = csr_array(filters)
    to_bins = csr_array(filters.T)
    share = csr_array((filters / np.maximum(filters.sum(axis=0), 1e-8)).T)
    found = np.empty((len(bands), filters.shape[1]), np.float32)
    for start in range(0, len(bands), _NNLS_FRAMES):
        of_frames = slice(start, start + _NNLS_FRAMES)
        some = np.ascontiguousarray(bands[of_frames].T)
        bins = share @ some + np.float32(AMPLITUDE_FLOOR)
        numerator = to_bins @ some
        for _ in range(_NNLS_ITERATIONS):
            factors = np.maximum(to_bins @ (to_bands @ bins), 1e-20)
            bins *= np.divide(numerator, factors, out=factors)
        found[of_frames] = bins.T
    return found
