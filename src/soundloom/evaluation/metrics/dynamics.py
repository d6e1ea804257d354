"""How loud, bright, noisy and restless audio is. Samples are ``(n_samples,)`` mono in [-1, 1].

Spectra are of 46 ms Hann windows every 23 ms, whatever the sample rate.
"""

from __future__ import annotations

import librosa
import numpy as np

from soundloom.audio.levels import peak_dbfs, rms_dbfs

HIGH_BAND_HZ = 8000.0
# Between these flatness is measured: hum, and what a low-pass filter left empty, stay out of it.
_FLATNESS_HZ = (50.0, 8000.0)
# Single spectra of white noise are ragged (flatness 0.56); their mean over a second is flat.
_FLATNESS_SECONDS = 1.0
_HOP_SECONDS = 512 / 22_050
_FLOOR_DB = -120.0
_SILENT_POWER = 1e-12
_SILENT_BELOW_LOUDEST = 1e-6  # -60 dB


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """``rms_dbfs``, ``crest_db``, ``spectral_flatness``, ``centroid_hz``, ``spectral_flux`` and
    ``high_band_db``.

    Always finite, from one sample on: of silence the levels are at their floors, the rest 0.
    """
    power, frequencies_hz = spectra(samples, sample_rate_hz)
    return {
        "rms_dbfs": rms_dbfs(samples),
        "crest_db": crest_db(samples),
        "spectral_flatness": spectral_flatness(power, frequencies_hz),
        "centroid_hz": centroid_hz(power, frequencies_hz),
        "spectral_flux": spectral_flux(power),
        "high_band_db": high_band_db(power, frequencies_hz),
    }


def spectra(samples: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Power spectra ``(n_frames, n_bins)`` float32 (1: full-scale sine), and the bins' Hz.

    Frames 60 dB below the loudest one are silence and come as zeros.
    """
    hop_samples = max(round(_HOP_SECONDS * sample_rate_hz), 1)
    n_fft = 2 * hop_samples
    stft = librosa.stft(
        np.pad(samples, (0, max(0, n_fft - len(samples)))),
        n_fft=n_fft,
        hop_length=hop_samples,
        center=False,
    )
    power = np.square(np.abs(stft.T) * (4.0 / n_fft)).astype(np.float32)
    loudness = power.sum(axis=1, keepdims=True)
    silent = loudness < max(_SILENT_POWER, _SILENT_BELOW_LOUDEST * float(loudness.max()))
    frequencies_hz = np.arange(power.shape[1]) * (sample_rate_hz / n_fft)
    return np.where(silent, np.float32(0.0), power), frequencies_hz


def crest_db(samples: np.ndarray) -> float:
    """Peak over RMS level in dB: a square wave 0, a sine 3.01, music 10 to 20."""
    return peak_dbfs(samples) - rms_dbfs(samples)


def spectral_flatness(power: np.ndarray, frequencies_hz: np.ndarray) -> float:
    """Geometric over arithmetic mean of the power spectrum: 0 a tone, 1 white noise.

    Of each second's mean spectrum between 50 Hz and 8 kHz (or 0.9 times half the sample rate);
    then the mean over the seconds that sound. 0 for silence. Source: Gray & Markel 1974.
    """
    highest_hz = min(_FLATNESS_HZ[1], 0.9 * float(frequencies_hz[-1]))
    band = power[:, (frequencies_hz >= _FLATNESS_HZ[0]) & (frequencies_hz <= highest_hz)]
    n_seconds = max(1, int(len(band) * _HOP_SECONDS / _FLATNESS_SECONDS))
    means = [part.mean(axis=0, dtype=np.float64) for part in np.array_split(band, n_seconds)]
    sounding = [mean for mean in means if mean.sum() > _SILENT_POWER]
    if not sounding:
        return 0.0
    # 100 dB below the mean is as good as nothing, and keeps the logarithm finite.
    floored = [np.maximum(mean / mean.mean(), 1e-10) for mean in sounding]
    return float(np.mean([np.exp(np.log(mean).mean()) for mean in floored]))


def centroid_hz(power: np.ndarray, frequencies_hz: np.ndarray) -> float:
    """Centre of gravity of the amplitude spectrum in Hz, mean over the frames that sound."""
    amplitude = np.sqrt(power[power.sum(axis=1) > 0])
    if not len(amplitude):
        return 0.0
    return float(np.mean((amplitude @ frequencies_hz) / amplitude.sum(axis=1, dtype=np.float64)))


def spectral_flux(power: np.ndarray) -> float:
    """Mean squared difference of successive amplitude spectra, each of norm 1: 0 held, 2 at most.

    Pairs with a silent frame are left out. Source: Tzanetakis & Cook 2002.
    """
    amplitude = np.sqrt(power.astype(np.float64))
    norms = np.linalg.norm(amplitude, axis=1, keepdims=True)
    pairs = (norms[1:, 0] > 0) & (norms[:-1, 0] > 0)
    if not pairs.any():
        return 0.0
    changes = np.diff(amplitude / np.maximum(norms, 1e-30), axis=0)[pairs]
    return float(np.mean(np.sum(changes**2, axis=1)))


def high_band_db(power: np.ndarray, frequencies_hz: np.ndarray) -> float:
    """Energy from 8 kHz up, relative to all of it, in dB; -120 at least, and for silence.

    The tagger is fed 16 kHz audio: what goes wrong above 8 kHz shows only here.
    """
    per_bin = power.sum(axis=0, dtype=np.float64)
    high, whole = per_bin[frequencies_hz >= HIGH_BAND_HZ].sum(), per_bin.sum()
    if whole <= 0 or high <= 0:
        return _FLOOR_DB
    return max(float(10.0 * np.log10(high / whole)), _FLOOR_DB)
