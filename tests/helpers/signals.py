"""Signals whose every property is known: ``(n_samples,)`` float32, 22 050 Hz."""

from __future__ import annotations

import numpy as np

RATE_HZ = 22_050


def sine(frequency_hz: float, seconds: float = 4.0, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def chord(*midi: int, seconds: float = 4.0) -> np.ndarray:
    """Tones of equal strength, MIDI note numbers."""
    tones = [sine(440.0 * 2.0 ** ((note - 69) / 12), seconds, 0.8 / len(midi)) for note in midi]
    return np.stack(tones).sum(axis=0)


def noise(seconds: float = 4.0, rms: float = 0.1, seed: int = 0) -> np.ndarray:
    """White, Gaussian."""
    rng = np.random.default_rng(seed)
    return (rms * rng.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def clicks(
    bpm: float, seconds: float = 15.0, jitter: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, int]:
    """Short bursts of noise ``60 / bpm`` s apart and how many; ``jitter`` is a share of that."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE_HZ))
    burst = np.exp(-np.arange(400) / 60)
    interval = 60.0 / bpm
    times = np.arange(0.3, seconds - 0.1, interval)
    times = times + jitter * interval * rng.uniform(-1, 1, len(times))
    for time in times:
        first = round(time * RATE_HZ)
        samples[first : first + len(burst)] += 0.3 * burst * rng.standard_normal(len(burst))
    return np.clip(samples, -1, 1).astype(np.float32), len(times)


def silence(seconds: float = 4.0) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)
