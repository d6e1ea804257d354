"""How clear, fast and regular the beat is. Samples are ``(n_samples,)`` mono in [-1, 1]."""

from __future__ import annotations

import importlib
import sys
import threading
from dataclasses import dataclass
from typing import Any

import librosa
import numba
import numpy as np
from scipy.ndimage import gaussian_filter1d

SLOWEST_BPM = 60.0
FASTEST_BPM = 200.0
# librosa's prior: log-normal around this, a standard deviation of one octave.
PRIOR_BPM = 120.0
_HOP_SECONDS = 256 / 22_050  # 3 % of a beat at 155 bpm, less than the tolerance on a tempo
_HIGHEST_HZ = 8000.0
# Onsets 20 ms apart still fall on one beat.
_SMEAR_SECONDS = 0.02
_FEWEST_BEATS = 4
# Rise in dB, averaged over the bands. The ripple of a held chord stays below; music peaks at 4
# to 40, and white noise at 1.5 to 3.
_FAINTEST_ONSET_DB = 1.0
_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class Beats:
    """``tempo_bpm`` and ``regularity`` are 0 where fewer than four beats were found."""

    tempo_bpm: float
    regularity: float  # 1 / (1 + coefficient of variation of the intervals), in (0, 1]
    seconds: tuple[float, ...]


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """``pulse_clarity``, ``tempo_bpm``, ``beat_regularity`` and ``onsets_per_second``.

    Always finite: silence and audio without onsets give zeros, as does audio too short for two
    slow beats (2 s) in the first, for four beats in the next two. The tracker spaces its beats
    evenly even in noise (regularity 0.95): read it beside the pulse clarity.
    """
    envelope, rate = onset_envelope(samples, sample_rate_hz)
    beats = track_beats(envelope, rate)
    return {
        "pulse_clarity": pulse_clarity(envelope, rate),
        "tempo_bpm": beats.tempo_bpm,
        "beat_regularity": beats.regularity,
        "onsets_per_second": onset_rate(envelope, rate),
    }


def onset_envelope(samples: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, float]:
    """Onset strength (spectral flux of mel levels, Böck & Widmer 2013) and its frames per second.

    ``(n_frames,)`` float32, in dB of rise averaged over the bands; zeros throughout where nothing
    rises by 1 dB, as in silence or a held chord, for relative peaks of those mean nothing.
    """
    hop_samples = round(_HOP_SECONDS * sample_rate_hz)
    n_fft = 4 * hop_samples
    envelope = librosa.onset.onset_strength(
        y=np.pad(samples, (0, max(0, n_fft - len(samples)))),
        sr=sample_rate_hz,
        hop_length=hop_samples,
        n_fft=n_fft,
        n_mels=64,
        fmax=min(_HIGHEST_HZ, sample_rate_hz / 2),
    )
    if envelope.max() < _FAINTEST_ONSET_DB:
        envelope = np.zeros_like(envelope)
    return envelope, sample_rate_hz / hop_samples


def pulse_clarity(envelope: np.ndarray, frames_per_second: float) -> float:
    """Highest peak of the envelope's autocorrelation between 60 and 200 bpm, 0 to 1.

    The autocorrelation is that of the mean-removed envelope, unbiased, 1 at lag 0. Strict clicks
    give 0.98 and more, white noise 0.1 and less. Source: Lartillot, Eerola, Toiviainen & Fornari
    2008, "Multi-feature modeling of pulse clarity" (their MAX on the autocorrelation).
    """
    centred = gaussian_filter1d(envelope.astype(np.float64), _SMEAR_SECONDS * frames_per_second)
    centred -= centred.mean()
    n_frames = len(centred)
    shortest = int(np.ceil(60.0 / FASTEST_BPM * frames_per_second))
    longest = min(int(60.0 / SLOWEST_BPM * frames_per_second), n_frames // 2 - 1)
    if longest < shortest or not envelope.any():
        return 0.0
    power = np.abs(np.fft.rfft(centred, 2 * n_frames)) ** 2
    correlation = np.fft.irfft(power)[:n_frames] / np.arange(n_frames, 0, -1)
    at = np.arange(shortest, longest + 1)
    # A peak, not the slope of a slow swell.
    peaks = (correlation[at] >= correlation[at - 1]) & (correlation[at] >= correlation[at + 1])
    heights = correlation[at][peaks] / correlation[0]
    return float(np.clip(heights.max(initial=0.0), 0.0, 1.0))


def track_beats(envelope: np.ndarray, frames_per_second: float) -> Beats:
    """Beats by dynamic programming (Ellis 2007), the tempo found with a prior around 120 bpm.

    The tempo returned is that of the beats: the mean of the intervals within 10 % of the median.
    """
    if not envelope.any():
        return Beats(0.0, 0.0, ())
    # A hop of one sample at the envelope's own rate: librosa need not know the audio's.
    bpm = librosa.feature.tempo(
        onset_envelope=envelope, sr=frames_per_second, hop_length=1, start_bpm=PRIOR_BPM
    )
    _, frames = beat_module().beat_track(
        onset_envelope=envelope, sr=frames_per_second, hop_length=1, bpm=bpm
    )
    seconds = tuple(float(frame) / frames_per_second for frame in frames)
    if len(seconds) < _FEWEST_BEATS:
        return Beats(0.0, 0.0, seconds)
    intervals = np.diff(seconds)
    median = np.median(intervals)
    usual = intervals[np.abs(intervals - median) <= 0.1 * median]
    variation = float(intervals.std() / intervals.mean())
    return Beats(float(60.0 / usual.mean()), 1.0 / (1.0 + variation), seconds)


def onset_rate(envelope: np.ndarray, frames_per_second: float) -> float:
    """Onsets a second: peaks of the envelope (Böck, Krebs & Schedl 2012).

    Peaks are relative to the loudest one: white noise, which has none, gives 8 to 13.
    """
    if not envelope.any():
        return 0.0
    onsets = librosa.onset.onset_detect(
        onset_envelope=envelope, sr=frames_per_second, hop_length=1, units="frames"
    )
    return len(onsets) * frames_per_second / len(envelope)


def tempo_agrees(found_bpm: float, true_bpm: float, tolerance: float = 0.04) -> bool:
    """Whether the tempo is right, or two or three times too fast or slow, within ``tolerance``.

    "Accuracy 2" of Gouyon et al. 2006, 4 % being its tolerance too; MIREX took it over. A found
    tempo of 0 (none) never agrees.
    """
    return any(
        abs(found_bpm - factor * true_bpm) <= tolerance * factor * true_bpm
        for factor in (1.0, 2.0, 0.5, 3.0, 1.0 / 3.0)
    )


def beat_module() -> Any:
    """``librosa.beat``, imported so that Numba keeps whatever it compiles of it.

    One of its functions asks for no cache: each process would compile it anew, for three seconds.
    """
    with _IMPORTING:
        if "librosa.beat" in sys.modules:  # what others may import meanwhile stays as it is
            return importlib.import_module("librosa.beat")
        plain = numba.guvectorize
        numba.guvectorize = lambda *given, **options: plain(*given, **{**options, "cache": True})
        try:
            return importlib.import_module("librosa.beat")
        finally:
            numba.guvectorize = plain
