"""How much detail audio has in time and frequency: what blur takes away.

A model that predicts means smooths its spectrogram: frames change less, onsets lose their edges,
the space between harmonics fills. A network that tags music hardly minds. Samples are
``(n_samples,)`` mono in [-1, 1]; no number here depends on their level.
"""

from __future__ import annotations

import itertools

import librosa
import numpy as np
from scipy.signal import find_peaks

# Modulation is measured between these; the fastest band is texture and edges, not rhythm.
MODULATION_EDGES_HZ = (0.25, 1.0, 3.0, 8.0, 20.0)
# Parts of the spectrum by mel bands whose centres lie in them.
_PARTS_HZ = {"low": (40.0, 400.0), "mid": (400.0, 2000.0), "high": (2000.0, 8000.0)}

# Long windows change little by chance: phases that were made up ripple in shorter ones, and
# would pass for movement.
_CHANGE_WINDOW_SECONDS, _CHANGE_BANDS = 0.093, 80
# Onsets rise within these, from one frame to the one after the next.
_ENVELOPE_WINDOW_SECONDS, _ENVELOPE_BANDS = 0.0232, 40
_ENVELOPE_HOPS = 4  # a window
_RISE_FRAMES = 2
_ONSETS_APART_SECONDS = 0.05
_FAINTEST_RISE_DB = 0.5  # a held chord's ripple stays below
# Harmonics of a low guitar string, 82 Hz apart, lie 15 bins apart.
_CONTRAST_WINDOW_SECONDS = 0.186
_CONTRAST_FROM_HZ, _MOST_OCTAVES = 200.0, 5
_CONTRAST_SHARE = 0.1
# What lies further below the loudest is hiss, and inaudible.
_RANGE_DB = 50.0
_FAINT_PART = 1e-6  # -60 dB of the whole
_LEAST_MODULATION = 1e-8
_SILENT_POWER = 1e-20


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """``frame_change_db``, ``onset_sharpness``, ``harmonic_contrast_db`` and, for every part of the
    spectrum and band of modulation, ``modulation_low_0.25_to_1_hz_db`` and so on.

    Always finite, from one sample on: silence gives zeros, and modulation of -80 dB.
    """
    bands, _ = _mel_power(samples, sample_rate_hz, _CHANGE_WINDOW_SECONDS, _CHANGE_BANDS, hops=4)
    envelopes, rate = _mel_power(
        samples, sample_rate_hz, _ENVELOPE_WINDOW_SECONDS, _ENVELOPE_BANDS, hops=_ENVELOPE_HOPS
    )
    return {
        "frame_change_db": frame_change_db(bands),
        "onset_sharpness": onset_sharpness(envelopes, rate),
        "harmonic_contrast_db": harmonic_contrast_db(samples, sample_rate_hz),
        **modulation_db(envelopes, rate, sample_rate_hz),
    }


def frame_change_db(bands: np.ndarray) -> float:
    """Mean absolute difference of the levels of successive frames in dB.

    ``bands`` are mel powers ``(n_frames, n_bands)``. A held tone gives 0; music, in frames of
    93 ms, 23 ms apart, 1 to 3.
    """
    if len(bands) < 2:
        return 0.0
    return float(np.abs(np.diff(_levels_db(bands), axis=0)).mean(dtype=np.float64))


def onset_sharpness(bands: np.ndarray, frames_per_second: float) -> float:
    """How steeply the onsets rise, in dB per millisecond: mean over onsets of the mean over bands.

    ``bands`` are mel powers ``(n_frames, n_bands)``. Onsets are peaks of the half-wave rectified
    difference of levels over two frames (spectral flux: Böck & Widmer 2013) that stand out by a
    standard deviation. 0 where there are none; a click gives some 4, drums 0.5 to 1, what fades in
    over seconds 0.
    """
    if len(bands) <= _RISE_FRAMES:
        return 0.0
    levels = _levels_db(bands)
    rises = np.maximum(levels[_RISE_FRAMES:] - levels[:-_RISE_FRAMES], 0.0).mean(axis=1)
    peaks, _ = find_peaks(
        np.pad(rises, 1),
        height=_FAINTEST_RISE_DB,
        prominence=rises.std(),
        distance=max(_ONSETS_APART_SECONDS * frames_per_second, 1.0),
    )
    if not len(peaks):
        return 0.0
    milliseconds = 1000.0 * _RISE_FRAMES / frames_per_second
    return float(rises[peaks - 1].mean(dtype=np.float64)) / milliseconds


def modulation_db(
    bands: np.ndarray, frames_per_second: float, sample_rate_hz: int
) -> dict[str, float]:
    """Power of the amplitude envelopes' modulation, in dB of their squared means.

    ``bands`` are mel powers ``(n_frames, n_bands)``. For low, mid and high bands together and for
    every band of modulation: an amplitude of ``1 + m cos`` gives ``10 log10(m² / 2)`` where its
    frequency lies. -80 dB at least. Source: the modulation spectrum (Greenberg & Kingsbury 1997),
    weighted by each band's energy.
    """
    envelopes = np.sqrt(bands.astype(np.float64))
    means = envelopes.mean(axis=0)
    window = np.hanning(len(envelopes) + 2)[1:-1, None]
    spectrum = np.abs(np.fft.rfft((envelopes - means) * window, axis=0)) ** 2
    spectrum *= 2.0 / (len(envelopes) * np.square(window).sum())
    modulation_hz = np.fft.rfftfreq(len(envelopes), 1.0 / frames_per_second)
    centres_hz = _band_edges_hz(sample_rate_hz, bands.shape[1])[1:-1]
    # Of a part that holds next to nothing of the sound, what little moves there says nothing.
    least = max(float(np.square(means).sum()) * _FAINT_PART, _SILENT_POWER)
    found = {}
    for part, (lowest_hz, highest_hz) in _PARTS_HZ.items():
        inside = (centres_hz >= lowest_hz) & (centres_hz < highest_hz)
        whole = max(float(np.square(means[inside]).sum()), least)
        for slowest_hz, fastest_hz in itertools.pairwise(MODULATION_EDGES_HZ):
            rows = (modulation_hz >= slowest_hz) & (modulation_hz < fastest_hz)
            moving = float(spectrum[rows][:, inside].sum())
            name = f"modulation_{part}_{slowest_hz:g}_to_{fastest_hz:g}_hz_db"
            found[name] = 10.0 * float(np.log10(max(moving / whole, _LEAST_MODULATION)))
    return found


def harmonic_contrast_db(samples: np.ndarray, sample_rate_hz: int) -> float:
    """Level of the spectrum's peaks over that of its valleys, in dB: mean over octaves and frames.

    They are the strongest and weakest tenth of the bins of each octave from 200 Hz to 6.4 kHz.
    Frames 50 dB below the loudest are left out; silence is 0. White noise has some 18 dB, by
    chance; music 25 to 35. Source: spectral contrast (Jiang, Lu, Zhang, Tao & Cai 2002).
    """
    power, n_fft, _ = _power(samples, sample_rate_hz, _CONTRAST_WINDOW_SECONDS, hops=2)
    loudness = power.sum(axis=1)
    if loudness.max() < _SILENT_POWER:
        return 0.0
    power = power[loudness >= loudness.max() * 10.0 ** (-_RANGE_DB / 10.0)]
    octaves = int(np.log2(sample_rate_hz / 2 / _CONTRAST_FROM_HZ))
    contrasts = librosa.feature.spectral_contrast(
        S=power.T / power.max(),
        sr=sample_rate_hz,
        n_fft=n_fft,
        fmin=_CONTRAST_FROM_HZ,
        n_bands=min(octaves, _MOST_OCTAVES),
        quantile=_CONTRAST_SHARE,
    )
    return float(contrasts[1:].mean(dtype=np.float64))  # the first is of all below the octaves


def _levels_db(bands: np.ndarray) -> np.ndarray:
    """Levels of mel powers in dB, none further below the highest than can be heard."""
    levels = 10.0 * np.log10(np.maximum(bands.astype(np.float64), _SILENT_POWER))
    return np.maximum(levels, levels.max() - _RANGE_DB)


def _mel_power(
    samples: np.ndarray, sample_rate_hz: int, window_seconds: float, n_bands: int, hops: int
) -> tuple[np.ndarray, float]:
    """Mean power of mel bands ``(n_frames, n_bands)``, and frames a second; ``hops`` a window."""
    power, n_fft, rate = _power(samples, sample_rate_hz, window_seconds, hops)
    edges_hz = _band_edges_hz(sample_rate_hz, n_bands)
    filters = librosa.filters.mel(
        sr=sample_rate_hz, n_fft=n_fft, n_mels=n_bands, fmin=edges_hz[0], fmax=edges_hz[-1], norm=1
    )
    return power @ filters.T, rate


def _band_edges_hz(sample_rate_hz: int, n_bands: int) -> np.ndarray:
    """Where mel bands begin, culminate and end, ``(n_bands + 2,)``."""
    highest_hz = min(_PARTS_HZ["high"][1], sample_rate_hz / 2)
    return librosa.mel_frequencies(n_bands + 2, fmin=_PARTS_HZ["low"][0], fmax=highest_hz)


def _power(
    samples: np.ndarray, sample_rate_hz: int, window_seconds: float, hops: int
) -> tuple[np.ndarray, int, float]:
    """Power spectra ``(n_frames, n_bins)`` of Hann windows, their length, and frames a second."""
    hop_samples = max(round(window_seconds * sample_rate_hz / hops), 1)
    n_fft = hops * hop_samples
    stft = librosa.stft(
        np.pad(samples, (0, max(0, n_fft - len(samples)))),
        n_fft=n_fft,
        hop_length=hop_samples,
        center=False,
    )
    return np.square(np.abs(stft.T)), n_fft, sample_rate_hz / hop_samples
