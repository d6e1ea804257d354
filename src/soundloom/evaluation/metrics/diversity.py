"""Whether a model makes the same thing every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import pdist

from soundloom.common.errors import SoundloomError


def mean_pairwise_distance(clips: Sequence[np.ndarray]) -> float:
    """Mean Euclidean distance between the clips' mean embeddings, over all pairs of clips.

    ``clips`` holds ``(n_windows, d)`` embeddings, one array a clip. Unbiased in the number of
    clips, but means of few windows scatter more: give clips of one length. Raises
    :class:`SoundloomError` for fewer than two clips or a clip without windows.
    """
    if len(clips) < 2:
        raise SoundloomError(f"diversity is measured between clips: {len(clips)} given, 2 needed")
    if any(len(clip) == 0 for clip in clips):
        raise SoundloomError("diversity: a clip has no windows; each needs at least 1")
    return float(pdist(np.stack([clip.mean(axis=0, dtype=np.float64) for clip in clips])).mean())


def relative_diversity(generated: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> float:
    """Generated clips' :func:`mean_pairwise_distance` over real ones': under 1, more of a kind.

    Continuations of prompts inherit their prompts' variety: compare with what really followed the
    same prompts. Real clips that are all alike, though, are given a distance of 1e-9 of their own
    size, so that the ratio stays finite.
    """
    among_real = mean_pairwise_distance(real)
    size = max(float(np.abs(clip).max()) for clip in real)
    return mean_pairwise_distance(generated) / max(among_real, 1e-9 * max(size, 1e-9))
