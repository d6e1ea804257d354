"""Whether music keeps the tempo and the key that its source is known to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from soundloom.common.pitch import Key
from soundloom.evaluation.metrics import rhythm, tonality

# As much of a recording is analysed.
_SECONDS = 30.0


def truth_kept(
    recordings: Mapping[str, np.ndarray],
    truths: Mapping[str, Mapping[str, Any]],
    sample_rate_hz: int,
) -> dict[str, float]:
    """How often recordings have the tempo and the key that is true of the music they continue.

    ``truths`` hold ``tempo_bpm`` and ``key`` ("E minor"), by the names of the recordings whose
    truth is known. ``tempo``: share whose tempo is right, octaves allowed; ``key``: mean MIREX
    score; ``key_exact``: share of keys right. Both are found from the first 30 s, and not always
    rightly in real audio either.
    """
    tempos, keys = [], []
    for name, truth in truths.items():
        start = recordings[name][: round(_SECONDS * sample_rate_hz)]
        beats = rhythm.track_beats(*rhythm.onset_envelope(start, sample_rate_hz))
        tempos.append(rhythm.tempo_agrees(beats.tempo_bpm, truth["tempo_bpm"]))
        key = tonality.find_key(tonality.chroma(start, sample_rate_hz)).key
        keys.append(tonality.key_agreement(key, Key.parse(truth["key"])))
    return {
        "tempo": float(np.mean(tempos)),
        "key": float(np.mean(keys)),
        "key_exact": float(np.mean(np.array(keys) == 1.0)),
    }
