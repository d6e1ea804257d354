"""What was played some bars before, told where it may come again.

Music repeats by bars. At every step a model is told the latents around the places one, two and four
bars before the step to come, be they the prompt's or its own: it can go on with a riff or a change
of chords without having carried them through its state for seconds.
"""

from __future__ import annotations

import numpy as np

BARS = (1, 2, 4)
"""How many bars before."""
NEVER = 1 << 30
"""A lag that leads to no place at all."""

_BEATS_IN_A_BAR = 4.0
# Steps told on either side of each place: strokes are early or late.
_NEAR = 1
# The clock's bar may be this much too long or too short ...
_TOLERANCE = 0.02
# ... which is set right where at least so many steps can be compared with those a lag before.
_LEAST_OVERLAP = 10


def n_recalled(n_latents: int) -> int:
    """Values told at a step: the latents near each place, and whether there is such a place."""
    return len(BARS) * ((2 * _NEAR + 1) * n_latents + 1)


def find_lags(latents: np.ndarray, beats_per_step: np.ndarray) -> np.ndarray:
    """Steps that one, two and four bars last: ``(batch, n_steps, n)`` → ``(batch, 3)`` integers.

    ``beats_per_step`` (batch,) is the clock's tempo; near the lag it gives, the one is taken at
    which the latents resemble themselves most (their autocorrelation, summed over latents). As it
    gives where that lies beyond their end.
    """
    n_steps = latents.shape[1]
    centred = latents - latents.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n_steps, axis=1)  # padded, or ends would meet beginnings
    products = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=-1), 2 * n_steps, axis=1)
    resemblance = products[:, :n_steps] / np.arange(n_steps, 0, -1)
    told = np.outer(_BEATS_IN_A_BAR / beats_per_step, BARS)
    lags = np.rint(told).astype(int)
    first = np.floor(told * (1.0 - _TOLERANCE)).astype(int)
    last = np.ceil(told * (1.0 + _TOLERANCE)).astype(int)
    for row, place in np.argwhere(last < n_steps - _LEAST_OVERLAP):
        near = resemblance[row, first[row, place] : last[row, place] + 1]
        lags[row, place] = first[row, place] + near.argmax()
    return lags


def recalled(latents: np.ndarray, lags: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """What is told at ``steps`` (batch, k) of latents ``(batch, n_steps, n)`` known until there.

    At step ``t`` the latents around ``t + 1 - lag`` for each of ``lags`` (batch, 3), as far as all
    of them are before ``t + 1`` and not before 0; else zeros. → ``(batch, k, n_recalled(n))``.
    """
    near = np.arange(-_NEAR, _NEAR + 1)
    places = (steps[:, :, None] + 1 - lags[:, None, :])[..., None] + near
    known = ((places >= 0) & (places <= steps[:, :, None, None])).all(axis=-1)
    rows = np.arange(len(latents))[:, None, None, None]
    found = latents[rows, np.where(known[..., None], places, 0)]
    found = found.reshape(*known.shape, -1) * known[..., None]
    told = np.concatenate([found, known[..., None]], axis=-1)
    return told.reshape(*steps.shape, -1).astype(np.float32)
