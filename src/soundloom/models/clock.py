"""A clock for music: where in the beat, in the bar and between the beats every frame lies.

Onsets are rises of the frames. At the tempo of a sequence their envelope has components at the beat
and at simple ratios of it; those components, as phasors that go on turning, are the hands of the
clock. A model that is told the time need not count: it can put the next stroke where it belongs,
long after a drift of its own counting would have lost the beat.

One tempo for a whole sequence: of windows of a few seconds, and of prompts. Source: the Fourier
tempogram of Grosche & Müller 2011, with the phases kept.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter1d

_SLOWEST_BPM, _FASTEST_BPM = 60.0, 200.0
# Perceived beats lie around this tempo, log-normally, with about an octave's spread.
_USUAL_BPM, _SPREAD_OCTAVES = 115.0, 0.9
_TEMPO_STEP = 1.005
# Bar of four beats, half a bar, beat, halves, thirds and quarters of it.
_RATIOS = np.array([0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
# A tempo is told by what happens on its beats and between them, less by thirds and bars.
_WEIGHTS = np.array([0.25, 0.5, 1.0, 1.0, 0.25, 0.5])
# Where the bands begin that envelopes are taken of, as shares of the bins: bass drum, middle, top.
_BANDS = (0.0, 1 / 16, 1 / 2)
# Strokes this far apart still fall together.
_SMEAR_SECONDS = 0.025
# A component this strong (a pure one is 1, noise below 0.1) moves its hand by 0.7.
_FAINT = 0.15

N_HANDS = 2 * len(_RATIOS) * len(_BANDS)
"""Numbers that tell the time: sine and cosine for each ratio and each band."""
N_TOLD = 1 + len(_RATIOS) * len(_BANDS)
"""Numbers about the clock itself: its tempo, and how strong each component is."""


@dataclass(frozen=True)
class Clock:
    """The clocks of a batch of sequences."""

    beats_per_frame: np.ndarray
    """``(batch,)``."""
    components: np.ndarray
    """``(batch, n_ratios, n_bands)`` complex, of the envelopes; phases are those at frame 0."""

    @classmethod
    def found_in(cls, frames: np.ndarray, frames_per_second: float) -> Self:
        """The clocks of ``(batch, n_frames, n_bins)``; frames in [0, 1] on any scale."""
        envelopes = _envelopes(frames, _SMEAR_SECONDS * frames_per_second)
        tempi, phasors = _tempo_grid(envelopes.shape[1], frames_per_second)
        # (batch, n_tempi, n_ratios, n_bands)
        components = np.einsum("bfn,trf->btrn", envelopes, phasors, optimize=True)
        power = (np.abs(components) ** 2).sum(axis=-1) @ _WEIGHTS
        away = np.log2(tempi * frames_per_second * 60.0 / _USUAL_BPM) / _SPREAD_OCTAVES
        best = (power * np.exp(-0.5 * away**2)).argmax(axis=1)
        return cls(tempi[best], components[np.arange(len(best)), best])

    def hands(self, frames: np.ndarray) -> np.ndarray:
        """The time at frame numbers ``(n,)``, not only whole ones: ``(batch, n, N_HANDS)``.

        Each hand lies within the unit circle, the nearer to its rim the surer it is.
        """
        turns = self.beats_per_frame[:, None, None] * frames[None, :, None] * _RATIOS
        certain = self.components / np.sqrt(np.abs(self.components) ** 2 + _FAINT**2)
        turned = np.exp(2j * np.pi * turns)[..., None] * certain[:, None]
        hands = np.stack([turned.real, turned.imag], axis=-1)
        return hands.reshape(*hands.shape[:2], N_HANDS).astype(np.float32)

    def told(self, frames_per_second: float) -> np.ndarray:
        """What is constant: ``(batch, N_TOLD)``, octaves from the usual tempo and strengths."""
        octaves = np.log2(self.beats_per_frame * frames_per_second * 60.0 / _USUAL_BPM)
        strengths = np.abs(self.components).reshape(len(octaves), -1)
        return np.concatenate([octaves[:, None], strengths], axis=1).astype(np.float32)


def _envelopes(frames: np.ndarray, smear_frames: float) -> np.ndarray:
    """Rises from frame to frame, averaged over each band: ``(batch, n_frames, n_bands)``.

    Smoothed by a Gaussian of ``smear_frames``, and of mean 0 and deviation 1; where nothing ever
    rises, zeros.
    """
    rises = np.maximum(np.diff(frames, axis=1, prepend=frames[:, :1]), 0.0)
    edges = [round(share * frames.shape[2]) for share in (*_BANDS, 1.0)]
    bands = [
        # A spectrogram with few bins may leave the first band empty.
        rises[..., start : max(end, start + 1)].mean(axis=-1)
        for start, end in itertools.pairwise(edges)
    ]
    envelopes = gaussian_filter1d(np.stack(bands, axis=-1).astype(np.float64), smear_frames, axis=1)
    envelopes -= envelopes.mean(axis=1, keepdims=True)
    return envelopes / np.maximum(envelopes.std(axis=1, keepdims=True), 1e-6)


@functools.lru_cache(maxsize=8)
def _tempo_grid(n_frames: int, frames_per_second: float) -> tuple[np.ndarray, np.ndarray]:
    """Tempi in beats a frame, and the phasors that find each's components.

    ``(n_tempi,)`` and ``(n_tempi, n_ratios, n_frames)`` complex, under a Hann window, such that a
    sinusoid of deviation 1 has a component of size 1.
    """
    n_tempi = int(np.log(_FASTEST_BPM / _SLOWEST_BPM) / np.log(_TEMPO_STEP)) + 1
    tempi = _SLOWEST_BPM / 60.0 / frames_per_second * _TEMPO_STEP ** np.arange(n_tempi)
    window = np.hanning(n_frames + 2)[1:-1]
    turns = tempi[:, None, None] * _RATIOS[:, None] * np.arange(n_frames)
    # conj: a component times e^(2πi·turns) then has the envelope's own phase.
    return tempi, np.sqrt(2.0) / window.sum() * window * np.exp(-2j * np.pi * turns)
