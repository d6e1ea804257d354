"""The tempo of music, the phase of its beat, and how many steps its bars last.

At the tempo of a sequence the envelope of its onsets has components at the beat
and at simple ratios of it, found as a Fourier tempogram finds them (Grosche & Müller 2011), with
the phases kept. One tempo for a whole sequence: of windows of a few seconds, and of prompts.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Self

import numpy as np

from soundloom.models.onsets import onset_envelopes

_SLOWEST_BPM, _FASTEST_BPM = 60.0, 200.0
# Perceived beats lie around this tempo, log-normally, with a std of about an octave.
USUAL_BPM, _STD_OCTAVES = 115.0, 0.9
_TEMPO_STEP = 1.005
RATIOS = np.array([0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
"""Rates of the components, in cycles a beat: bar of four beats, half a bar, beat, and its halves,
thirds and quarters."""
# A tempo shows by what happens on its beats and between them, less by thirds and bars.
_WEIGHTS = np.array([0.25, 0.5, 1.0, 1.0, 0.25, 0.5])
# Onsets this far apart still fall together.
_SMEAR_SECONDS = 0.025

BARS = (1, 2, 4)
"""How many bars a lag of :func:`find_bar_lags` lasts."""
_BEATS_IN_A_BAR = 4.0
# The bar of the tempo may be this much too long or too short …
_TOLERANCE = 0.02
# … which is set right where at least so many steps can be compared with those a lag before.
_LEAST_OVERLAP = 10


@dataclass(frozen=True)
class Tempo:
    """The tempi of a batch of sequences, and their components at each ratio of it."""

    beats_per_frame: np.ndarray
    """``(batch,)``."""
    components: np.ndarray
    """``(batch, n_ratios, n_bands)`` complex, of the envelopes; phases are those at frame 0."""

    @classmethod
    def found_in(cls, frames: np.ndarray, frames_per_second: float) -> Self:
        """The tempi of ``(batch, n_frames, n_bins)``; frames in [0, 1] on any scale."""
        envelopes = onset_envelopes(frames, _SMEAR_SECONDS * frames_per_second)
        tempi, phasors = _tempo_grid(envelopes.shape[1], frames_per_second)
        # (batch, n_tempi, n_ratios, n_bands)
        components = np.einsum("bfn,trf->btrn", envelopes, phasors, optimize=True)
        power = (np.abs(components) ** 2).sum(axis=-1) @ _WEIGHTS
        away = np.log2(tempi * frames_per_second * 60.0 / USUAL_BPM) / _STD_OCTAVES
        best = (power * np.exp(-0.5 * away**2)).argmax(axis=1)
        return cls(tempi[best], components[np.arange(len(best)), best])


def find_bar_lags(latents: np.ndarray, beats_per_step: np.ndarray) -> np.ndarray:
    """Steps that one, two and four bars last: ``(batch, n_steps, n)`` → ``(batch, 3)`` integers.

    ``beats_per_step`` (batch,) is the tempo; near the lag it gives, the one is taken at which the
    latents resemble themselves most (their autocorrelation, summed over latents). As the tempo
    gives where that lies beyond their end.
    """
    n_steps = latents.shape[1]
    centred = latents - latents.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n_steps, axis=1)  # padded, or ends would meet beginnings
    products = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=-1), 2 * n_steps, axis=1)
    resemblance = products[:, :n_steps] / np.arange(n_steps, 0, -1)
    by_tempo = np.outer(_BEATS_IN_A_BAR / beats_per_step, BARS)
    lags = np.rint(by_tempo).astype(int)
    first = np.floor(by_tempo * (1.0 - _TOLERANCE)).astype(int)
    last = np.ceil(by_tempo * (1.0 + _TOLERANCE)).astype(int)
    for row, place in np.argwhere(last < n_steps - _LEAST_OVERLAP):
        near = resemblance[row, first[row, place] : last[row, place] + 1]
        lags[row, place] = first[row, place] + near.argmax()
    return lags


@functools.lru_cache(maxsize=8)
def _tempo_grid(n_frames: int, frames_per_second: float) -> tuple[np.ndarray, np.ndarray]:
    """Tempi in beats a frame, and the phasors that find each's components.

    ``(n_tempi,)`` and ``(n_tempi, n_ratios, n_frames)`` complex, under a Hann window, such that a
    sinusoid of std 1 has a component of size 1.
    """
    n_tempi = int(np.log(_FASTEST_BPM / _SLOWEST_BPM) / np.log(_TEMPO_STEP)) + 1
    tempi = _SLOWEST_BPM / 60.0 / frames_per_second * _TEMPO_STEP ** np.arange(n_tempi)
    window = np.hanning(n_frames + 2)[1:-1]
    turns = tempi[:, None, None] * RATIOS[:, None] * np.arange(n_frames)
    # conj: a component times e^(2πi·turns) then has the envelope's own phase.
    return tempi, np.sqrt(2.0) / window.sum() * window * np.exp(-2j * np.pi * turns)
