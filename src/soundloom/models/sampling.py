"""Uniforms in, draws out: how temperature and top-p bend a distribution."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri


def sample_categorical(
    logits: np.ndarray, uniforms: np.ndarray, temperature: float, top_p: float = 1.0
) -> np.ndarray:
    """One index from each row of ``logits``, ``(n, n_choices)`` → ``(n,)``.

    ``uniforms`` (n,) in [0, 1) pick them. ``temperature`` divides the logits; at 0 the likeliest is
    taken. ``top_p`` keeps the fewest choices, likeliest first, that hold this share of the
    probability (Holtzman et al. 2020).
    """
    if temperature == 0.0:
        return logits.argmax(axis=1)
    # In float64: a running sum of many small float32 numbers misses its own total.
    weights = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64) / temperature)
    if top_p >= 1.0:
        reached = np.cumsum(weights, axis=1)
        chosen = (reached <= uniforms[:, None] * reached[:, -1:]).sum(axis=1)
        return np.minimum(chosen, logits.shape[1] - 1)
    order = np.argsort(-weights, axis=1, kind="stable")
    weights = np.take_along_axis(weights, order, axis=1)
    reached = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    # A choice is kept while those likelier than it fall short of the share; the first always is.
    n_kept = 1 + (reached[:, :-1] < top_p).sum(axis=1)
    kept = np.take_along_axis(reached, n_kept[:, None] - 1, axis=1)
    chosen = (reached <= uniforms[:, None] * kept).sum(axis=1)
    chosen = np.minimum(chosen, n_kept - 1)
    return np.take_along_axis(order, chosen[:, None], axis=1)[:, 0]


def central_normal(uniforms: np.ndarray, top_p: float = 1.0) -> np.ndarray:
    """Standard normal numbers from uniforms in [0, 1), within the central share ``top_p``."""
    # A uniform of 0 would lie infinitely far out.
    return ndtri(np.clip(0.5 + top_p * (uniforms - 0.5), 1e-9, 1.0 - 1e-9))


def gumbel(uniforms: np.ndarray) -> np.ndarray:
    """Standard Gumbel numbers from uniforms in [0, 1).

    Added to logits, the highest sum picks each choice as often as its probability (Gumbel 1954).
    """
    return -np.log(-np.log(np.clip(uniforms, 1e-300, 1.0 - 1e-16)))
