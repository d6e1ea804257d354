"""Phases for magnitudes that have none: tones that run on, then Griffin-Lim.

A spectrogram says how strong each frequency is, not where in its cycle. Where it has peaks, the
frequency between bins that made them tells how far the cycle turns from frame to frame; from phases
that begin so, a few rounds of Griffin-Lim give cleaner tones and sharper onsets than many rounds
from random ones (docs/log has the figures).

Sources: Beauregard, Harish & Wyse 2015 (single pass spectrogram inversion) for the tones; Griffin &
Lim 1984 for the rounds.
"""

from __future__ import annotations

from itertools import pairwise

import librosa
import numpy as np

_TINY = 1e-9
# Of the phases of the first frame: any will do, as long as they are always the same.
_SEED = 0


def tonal_phases(magnitudes: np.ndarray, n_fft: int, hop_samples: int) -> np.ndarray:
    """Phases in radians, ``(n_bins, n_frames)`` like ``magnitudes``, of tones at their peaks.

    Every bin belongs to its nearest peak, whose frequency is read off the parabola through the
    logarithms of the peak and its neighbours. A peak goes on from the phase of the peak that its
    bin belonged to in the frame before; those of the first frame are random, the same every time.
    """
    n_bins, n_frames = magnitudes.shape
    bins = np.arange(n_bins)
    # In float64: a peak barely above its neighbours must not seem level with them. Frames first, as
    # they follow one another below.
    levels = np.log(np.ascontiguousarray(magnitudes.T, np.float64) + _TINY)
    below, at, above = levels[:, :-2], levels[:, 1:-1], levels[:, 2:]
    frames, inner = np.nonzero((at > below) & (at >= above))
    left, top, right = below[frames, inner], at[frames, inner], above[frames, inner]
    offsets = np.clip(0.5 * (left - right) / (left - 2.0 * top + right), -0.5, 0.5)

    peaks, turn = inner + 1, 2.0 * np.pi * hop_samples / n_fft
    turns = turn * (peaks + offsets)
    of_frames = np.searchsorted(frames, np.arange(n_frames + 1))
    phases = np.empty((n_frames, n_bins), np.float32)
    phase = np.random.default_rng(_SEED).uniform(0.0, 2.0 * np.pi, bins.shape)
    for number, (start, end) in enumerate(pairwise(of_frames)):
        if end > start:
            here = peaks[start:end]
            borders = (here[1:] + here[:-1] + 1) // 2
            n_owned = np.diff(borders, prepend=0, append=n_bins)
            phase = np.repeat(phase[here] + turns[start:end], n_owned)
        else:  # silence, or one slope: every bin is a tone of its own
            phase = phase + turn * bins
        phase %= 2.0 * np.pi
        phases[number] = phase
    # Within a tone's main lobe, neighbouring bins of a centred window are half a turn apart.
    return phases.T + np.float32(np.pi) * (bins % 2)[:, None].astype(np.float32)


def griffin_lim(
    magnitudes: np.ndarray,
    phases: np.ndarray,
    n_fft: int,
    hop_samples: int,
    *,
    n_iterations: int,
) -> np.ndarray:
    """Samples whose STFT (centred Hann windows) comes near ``magnitudes``: ``(n_samples,)``.

    ``magnitudes`` and the ``phases`` to start from are ``(n_bins, n_frames)``. The classic
    algorithm: momentum (Perraudin, Balazs & Søndergaard 2013) does harm from such a start.
    No iterations give the start itself. librosa's function of this name cannot be given a start.
    """

    def samples_of(spectrum: np.ndarray) -> np.ndarray:
        return librosa.istft(spectrum, hop_length=hop_samples, n_fft=n_fft)

    # The order in memory that librosa gives a spectrum: of two orders, products take twice as long.
    magnitudes = np.asfortranarray(magnitudes)
    spectrum = magnitudes * np.asfortranarray(np.exp(1j * phases), np.complex64)
    for _ in range(n_iterations):
        again = librosa.stft(samples_of(spectrum), hop_length=hop_samples, n_fft=n_fft)
        spectrum = magnitudes * (again / (np.abs(again) + _TINY))
    return samples_of(spectrum)
