"""Tempo and key of songs whose tempo and key are known."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.evaluation.ground_truth import truth_kept

RATE_HZ = 22_050
SECONDS = 12.0


@pytest.mark.slow
def test_the_truth_of_songs_is_kept_by_themselves_and_not_by_others() -> None:
    truths = {str(track): compose(0, track, SECONDS).truth() for track in range(4)}
    played = {track: perform(0, int(track), SECONDS, RATE_HZ) for track in truths}
    own = truth_kept({**played, "of unknown truth": played["0"]}, truths, RATE_HZ)
    assert own["tempo"] == 1.0
    assert own["key"] >= own["key_exact"] >= 0.5
    wrong = {
        name: {"tempo_bpm": truth["tempo_bpm"] * 1.2, "key": "F# minor"}
        for name, truth in truths.items()
    }
    assert truth_kept(played, wrong, RATE_HZ)["tempo"] == 0.0
    rng = np.random.default_rng(0)
    noise = {name: rng.normal(0, 0.1, len(song)) for name, song in played.items()}
    assert truth_kept(noise, truths, RATE_HZ)["key"] < own["key"]
