"""Bar-lag features: the latents one, two and four bars before the step to come.

Music repeats by bars. Be those latents the prompt's or the model's own: it can go on with a riff or
a change of chords without having carried them through its state for seconds.
"""

from __future__ import annotations

import functools

import numpy as np

from soundloom.models.conditioning.base import Conditioning, Features, Sequences, Widths
from soundloom.models.conditioning.tempo import BARS

NEVER = 1 << 30
"""A lag that leads to no place at all."""

# Steps looked up on either side of each place: onsets are early or late.
_NEAR = 1
# Share of the lags withheld in training: a model that could rely on them would only repeat itself.
_WITHHELD = 0.15


class BarLags(Conditioning):
    """Looks up latents around each lag."""

    @classmethod
    def widths(cls, n_latents: int) -> Widths:
        return Widths(looked_up=len(BARS) * ((2 * _NEAR + 1) * n_latents + 1))

    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Features:
        lags = sequences.bar_lags
        if training:
            assert rng is not None
            lags = np.where(rng.random(lags.shape) < _WITHHELD, NEVER, lags)
        return Features(look_up=functools.partial(look_up, lags))


def look_up(lags: np.ndarray, latents: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Features at ``steps`` (batch, k) of latents ``(batch, n_steps, n)`` known until there.

    At step ``t`` the latents around ``t + 1 - lag`` for each of ``lags`` (batch, 3), as far as all
    of them are before ``t + 1`` and not before 0, and whether they are; else zeros. →
    ``(batch, k, 3 * (3 * n + 1))``.
    """
    near = np.arange(-_NEAR, _NEAR + 1)
    places = (steps[:, :, None] + 1 - lags[:, None, :])[..., None] + near  # (batch, k, 3, near)
    known = ((places >= 0) & (places <= steps[:, :, None, None])).all(axis=-1)
    rows = np.arange(len(latents))[:, None, None, None]
    found = latents[rows, np.where(known[..., None], places, 0)]
    found = found.reshape(*known.shape, -1) * known[..., None]  # (batch, k, 3, near * n)
    features = np.concatenate([found, known[..., None]], axis=-1)
    return features.reshape(*steps.shape, -1).astype(np.float32)
