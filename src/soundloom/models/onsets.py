"""Onsets: rises of the frames, where notes begin and drums are hit."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter1d

BANDS = (0.0, 1 / 16, 1 / 2)
"""Where the bands begin that envelopes are of, as shares of the bins: bass drum, middle, top."""


def onset_envelopes(frames: np.ndarray, smear_frames: float) -> np.ndarray:
    """Rises from frame to frame, averaged over each band: ``(batch, n_frames, n_bands)``.

    Smoothed by a Gaussian of ``smear_frames``, and of mean 0 and std 1; where nothing ever rises,
    zeros.
    """
    rises = np.maximum(np.diff(frames, axis=1, prepend=frames[:, :1]), 0.0)
    edges = [round(share * frames.shape[2]) for share in (*BANDS, 1.0)]
    bands = [
        # A spectrogram with few bins may leave the first band empty.
        rises[..., start : max(end, start + 1)].mean(axis=-1)
        for start, end in itertools.pairwise(edges)
    ]
    envelopes = gaussian_filter1d(np.stack(bands, axis=-1).astype(np.float64), smear_frames, axis=1)
    envelopes -= envelopes.mean(axis=1, keepdims=True)
    return envelopes / np.maximum(envelopes.std(axis=1, keepdims=True), 1e-6)
