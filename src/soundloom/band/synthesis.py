"""What every instrument is made of: ringing modes, noise, filters, waveshaping, rooms.

Signals are ``(n_samples,)`` float64. Frequencies and times are physical, so that any sample rate
gives the same music; a filter whose corner the rate cannot hold leaves the signal as it is.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import soxr
from scipy import signal

# e-folds in a decay of 60 dB: how decay times T60 become rates.
E_FOLDS_60_DB = math.log(1000.0)

# Waveshaping makes harmonics without end; run at this rate or more, those that fold back are weak.
SHAPING_RATE_HZ = 88_200


def damped_modes(
    frequencies_hz: np.ndarray,
    amplitudes: np.ndarray,
    decays_per_second: np.ndarray,
    phases: np.ndarray,
    n_samples: int,
    sample_rate_hz: int,
) -> np.ndarray:
    """Sum of exponentially damped sines: what a struck string, drum or plate rings with.

    All inputs ``(n_modes,)``. Modes above 0.47 of the rate are left out, so nothing folds back.

    A mode is a power series ``z**n``; with ``n = block * row + column`` it factors into
    ``z**(block * row) * z**column``, which makes the whole sum one matrix product.
    """
    audible = frequencies_hz < 0.47 * sample_rate_hz
    poles = (-decays_per_second + 2j * np.pi * frequencies_hz)[audible] / sample_rate_hz
    weights = (-1j * amplitudes * np.exp(1j * phases))[audible]
    block = max(1, math.isqrt(n_samples))
    n_rows = -(-n_samples // block)
    rows = weights * np.exp(np.outer(np.arange(n_rows) * block, poles))
    columns = np.exp(np.outer(poles, np.arange(block)))
    # The real part of a complex product as one real product of twice the depth.
    rows = np.concatenate([rows.real, -rows.imag], axis=1)
    return (rows @ np.concatenate([columns.real, columns.imag])).reshape(-1)[:n_samples]


def seconds_axis(n_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Time of each sample in s."""
    return np.arange(n_samples) / sample_rate_hz


def sweep(
    start_hz: float, end_hz: float, glide_seconds: float, n_samples: int, sample_rate_hz: int
) -> np.ndarray:
    """Unit sine whose pitch falls exponentially, as a drum skin's does while it is slack."""
    seconds = seconds_axis(n_samples, sample_rate_hz)
    glided = glide_seconds * (1.0 - np.exp(-seconds / glide_seconds))
    return np.sin(2 * np.pi * (end_hz * seconds + (start_hz - end_hz) * glided))


def decay(t60_seconds: float, n_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Exponential envelope from 1, 60 dB down after ``t60_seconds``."""
    return np.exp(-E_FOLDS_60_DB / t60_seconds * seconds_axis(n_samples, sample_rate_hz))


def released(ring: np.ndarray, n_held: int, n_release: int) -> np.ndarray:
    """The first ``n_held`` samples of ``ring``, then damped to silence by half a cosine."""
    note = ring[: n_held + n_release].copy()
    n_fade = min(n_release, len(note))
    note[len(note) - n_fade :] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(n_fade) + 1) / n_fade)
    return note


def mix_in(track: np.ndarray, sound: np.ndarray, start: int) -> None:
    """Add ``sound`` to ``track`` in place from sample ``start``; what hangs over is dropped."""
    room = max(0, len(track) - start)
    track[start : start + len(sound)] += sound[:room]


def highpass(x: np.ndarray, corner_hz: float, sample_rate_hz: int, order: int = 2) -> np.ndarray:
    """Butterworth high-pass."""
    return _butterworth(x, corner_hz, "highpass", sample_rate_hz, order)


def lowpass(x: np.ndarray, corner_hz: float, sample_rate_hz: int, order: int = 2) -> np.ndarray:
    """Butterworth low-pass."""
    return _butterworth(x, corner_hz, "lowpass", sample_rate_hz, order)


def _butterworth(
    x: np.ndarray, corner_hz: float, kind: str, sample_rate_hz: int, order: int
) -> np.ndarray:
    nyquist_hz = sample_rate_hz / 2
    if corner_hz >= 0.9 * nyquist_hz:
        if kind == "lowpass":
            return x
        corner_hz = 0.6 * nyquist_hz  # a cymbal keeps the little the rate can hold of it
    return signal.sosfilt(_butterworth_sections(order, corner_hz / nyquist_hz, kind), x)


@lru_cache(maxsize=256)  # designing a filter takes longer than running it over a short noise
def _butterworth_sections(order: int, corner: float, kind: str) -> np.ndarray:
    """Second-order sections, ``(n_sections, 6)``; ``corner`` as a fraction of Nyquist."""
    return signal.butter(order, corner, kind, output="sos")


def peaking(
    x: np.ndarray, centre_hz: float, gain_db: float, q: float, sample_rate_hz: int
) -> np.ndarray:
    """Boost or cut around ``centre_hz`` (R. Bristow-Johnson, Cookbook formulae for EQ)."""
    if centre_hz >= 0.45 * sample_rate_hz:
        return x
    omega = 2 * np.pi * centre_hz / sample_rate_hz
    amplitude = 10 ** (gain_db / 40)
    alpha = np.sin(omega) / (2 * q)
    middle = -2 * np.cos(omega)
    b = np.array([1 + alpha * amplitude, middle, 1 - alpha * amplitude])
    a = np.array([1 + alpha / amplitude, middle, 1 - alpha / amplitude])
    return signal.lfilter(b / a[0], a / a[0], x)


def saturated(x: np.ndarray, gain: float, bias: float, sample_rate_hz: int) -> np.ndarray:
    """A valve stage, ``tanh(gain * x + bias)`` less its rest value, oversampled against aliasing.

    A bias makes the even harmonics that a symmetric curve lacks (Pakarinen & Yeh 2009, Computer
    Music Journal 33(2)).
    """
    if not x.any():
        return x
    fine_hz = sample_rate_hz * math.ceil(SHAPING_RATE_HZ / sample_rate_hz)
    fine = soxr.resample(x.astype(np.float32), sample_rate_hz, fine_hz)
    shaped = np.tanh(np.float32(gain) * fine + np.float32(bias)) - np.tanh(np.float32(bias))
    return soxr.resample(shaped, fine_hz, sample_rate_hz)[: len(x)].astype(np.float64)


def reverberated(
    x: np.ndarray, t60_seconds: float, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """The sound of a room alone: noise that decays, and faster above 3 kHz (Moorer 1979)."""
    n_samples = round(t60_seconds * sample_rate_hz)
    noise = rng.standard_normal(n_samples)
    dull = lowpass(noise, 3000.0, sample_rate_hz, order=1)
    bright = (noise - dull) * decay(0.5 * t60_seconds, n_samples, sample_rate_hz)
    response = highpass(
        dull * decay(t60_seconds, n_samples, sample_rate_hz) + bright, 150.0, sample_rate_hz
    )
    n_before = round(0.008 * sample_rate_hz)  # the nearest wall is 1.4 m away
    response = np.concatenate([np.zeros(n_before), response / np.linalg.norm(response)])
    return signal.oaconvolve(x, response)[: len(x)]


def echoed(x: np.ndarray, delay_seconds: float, level: float, sample_rate_hz: int) -> np.ndarray:
    """``x`` with three echoes, each duller and ``level`` times as loud as the one before."""
    if not x.any():
        return x
    n_delay = round(delay_seconds * sample_rate_hz)
    wet, tap = x.copy(), x
    for _ in range(3):
        tap = level * lowpass(tap, 2500.0, sample_rate_hz, order=1)
        tap = np.concatenate([np.zeros(n_delay), tap])[: len(x)]
        wet += tap
    return wet


def compressed(x: np.ndarray, threshold_db: float, ratio: float, sample_rate_hz: int) -> np.ndarray:
    """Turn down what exceeds ``threshold_db`` (RMS re 1) by ``ratio``, over some 30 ms.

    Feed-forward with an RMS detector (Giannoulis, Massberg & Reiss 2012, JAES 60(6)).
    """
    pole = math.exp(-1.0 / (0.03 * sample_rate_hz))
    power = signal.lfilter([1.0 - pole], [1.0, -pole], x * x)
    over_db = np.maximum(10.0 * np.log10(power + 1e-12) - threshold_db, 0.0)
    return x * 10.0 ** (-over_db * (1.0 - 1.0 / ratio) / 20.0)


def active_rms(x: np.ndarray, sample_rate_hz: int) -> float:
    """RMS over the tenths of a second that are less than 40 dB below the loudest; 0 if silent."""
    block = round(0.1 * sample_rate_hz)
    padded = np.concatenate([x, np.zeros(-len(x) % block)])
    powers = np.mean(padded.reshape(-1, block) ** 2, axis=1)
    sounding = powers[powers > 1e-4 * powers.max(initial=0.0)]
    return float(np.sqrt(sounding.mean())) if len(sounding) else 0.0
