"""How much a spectrum moves: enough to tell music from silence or a drone."""

from __future__ import annotations

import numpy as np


def frame_change(frames: np.ndarray) -> float:
    """Mean absolute difference of consecutive ``(n_frames, n_bins)``; a held frame gives 0."""
    return float(np.abs(np.diff(frames.astype(np.float64), axis=0)).mean())
