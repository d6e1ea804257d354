"""How loud audio is and how much its spectrum moves: enough to tell music from silence or a drone.

Every function takes ``(n_samples,)`` samples in [-1, 1] or ``(n_frames, n_bins)`` frames in [0, 1].
"""

from __future__ import annotations

import numpy as np


def frame_change(frames: np.ndarray) -> float:
    """Mean absolute difference between frames next to each other; a held frame gives 0."""
    return float(np.abs(np.diff(frames.astype(np.float64), axis=0)).mean())
