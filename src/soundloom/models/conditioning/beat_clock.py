"""The beat clock: where in the beat, in the bar and between the beats every step lies.

The components of the onsets at the tempo, as phasors that go on turning, are beat phases. A model
that has them need not count: it can put the next onset where it belongs, long after a drift of its
own counting would have lost the beat.
"""

from __future__ import annotations

import numpy as np

from soundloom.models.conditioning.base import Conditioning, Features, Sequences, Widths
from soundloom.models.conditioning.tempo import RATIOS, USUAL_BPM, Tempo
from soundloom.models.onsets import BANDS

# A component this strong (a pure one is 1, noise below 0.1) gives its phase a size of 0.7.
_FAINT = 0.15
_N_PHASES = 2 * len(RATIOS) * len(BANDS)
_N_CONSTANT = 1 + len(RATIOS) * len(BANDS)


class BeatClock(Conditioning):
    """Beat phases of the step to come; tempo and strengths of the components, constant."""

    @classmethod
    def widths(cls, n_latents: int) -> Widths:
        return Widths(constant=_N_CONSTANT, scheduled=_N_PHASES)

    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Features:
        stack, tempo = sequences.stack_frames, sequences.tempo
        # The middle of each step from the second on, in frames.
        places = (np.arange(1, 1 + sequences.n_steps) + 0.5) * stack - 0.5
        return Features(
            constant=tempo_and_strengths(tempo, sequences.frames_per_second),
            scheduled=beat_phases(tempo, places),
        )


def beat_phases(tempo: Tempo, frames: np.ndarray) -> np.ndarray:
    """Phases at frame numbers ``(n,)``, not only whole ones: ``(batch, n, 2 · ratios · bands)``.

    Cosine and sine of each component, within the unit circle, the nearer to its rim the surer.
    """
    turns = tempo.beats_per_frame[:, None, None] * frames[None, :, None] * RATIOS
    certain = tempo.components / np.sqrt(np.abs(tempo.components) ** 2 + _FAINT**2)
    turned = np.exp(2j * np.pi * turns)[..., None] * certain[:, None]
    phases = np.stack([turned.real, turned.imag], axis=-1)
    return phases.reshape(*phases.shape[:2], _N_PHASES).astype(np.float32)


def tempo_and_strengths(tempo: Tempo, frames_per_second: float) -> np.ndarray:
    """``(batch, 1 + ratios · bands)``: octaves from the usual tempo, and sizes of components."""
    octaves = np.log2(tempo.beats_per_frame * frames_per_second * 60.0 / USUAL_BPM)
    strengths = np.abs(tempo.components).reshape(len(octaves), -1)
    return np.concatenate([octaves[:, None], strengths], axis=1).astype(np.float32)
