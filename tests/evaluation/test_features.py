"""What is measured of recordings without any network."""

from __future__ import annotations

import numpy as np
import pytest

from recordings import music
from soundloom.common.lazy import LazyMapping
from soundloom.evaluation.features import describe_structure, mean_structure
from soundloom.evaluation.metrics.log_mel import log_mel

RATE_HZ = 8000


def test_structure_is_the_mean_of_whole_minutes_of_recordings_read_once() -> None:
    songs = {"long": music(130, RATE_HZ), "short": music(30, RATE_HZ, seed=1)}
    songs["minute"] = music(60, RATE_HZ, seed=2)
    read: list[str] = []

    def recording(name: str) -> np.ndarray:
        read.append(name)
        return songs[name]

    found = mean_structure(LazyMapping(list(songs), recording), RATE_HZ, threads=2)
    assert sorted(read) == sorted(songs)
    minutes = [*np.split(songs["long"][: 120 * RATE_HZ], 2), songs["minute"]]
    each = [describe_structure(one, log_mel(one, RATE_HZ), RATE_HZ) for one in minutes]
    assert found == {key: pytest.approx(np.mean([one[key] for one in each])) for key in each[0]}


def test_of_recordings_under_a_minute_there_is_no_structure() -> None:
    assert mean_structure({"short": music(30, RATE_HZ)}, RATE_HZ, threads=1) == {}
    assert mean_structure({}, RATE_HZ, threads=1) == {}
