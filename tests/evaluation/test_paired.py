"""Differences that are there and that are not, among songs that differ much more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from soundloom.common.errors import SoundloomError
from soundloom.evaluation.paired import Difference, paired_differences


def mean(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values))}


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Difference:
    songs = [str(n) for n in range(len(first))]
    rng = np.random.default_rng(seed)
    return paired_differences(mean, first.tolist(), second.tolist(), songs, 200, rng)["mean"]


def test_a_small_difference_is_found_among_songs_that_differ_much() -> None:
    rng = np.random.default_rng(0)
    first = 10.0 * rng.standard_normal(12)
    second = first + 1.0 + 0.3 * rng.standard_normal(12)
    worse, better = difference(first, second), difference(second, first)
    assert worse.low < second.mean() - first.mean() < worse.high
    assert worse.high - worse.low < 0.6  # of unpaired songs it would be 11
    assert (worse.verdict, better.verdict) == ("worse", "better")
    assert difference(first, first).verdict == "within"


def test_chance_is_taken_for_a_difference_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(0)
    verdicts = []
    for seed in range(100):
        first = 10.0 * rng.standard_normal(16)
        verdicts.append(difference(first, first + rng.standard_normal(16), seed).verdict)
    assert verdicts.count("within") >= 85


def test_songs_are_drawn_whole() -> None:
    drawn: list[list[int]] = []

    def measure(sample: Sequence[int]) -> dict[str, float]:
        drawn.append(list(sample))
        return {"size": float(len(sample))}

    songs = ["a", "a", "b", "c", "c"]
    paired_differences(measure, range(5), range(5), songs, 20, np.random.default_rng(0))
    assert drawn[2::2] == drawn[3::2]  # the same ones for both
    assert all(sample.count(0) == sample.count(1) for sample in drawn)
    assert all(sample.count(3) == sample.count(4) for sample in drawn)
    assert len({tuple(sample) for sample in drawn}) > 5


def test_resamples_too_small_and_figures_of_one_set_alone_are_left_out() -> None:
    def measure(sample: Sequence[float]) -> dict[str, float]:
        if len(set(sample)) == 1:
            raise SoundloomError("all alike")
        return {**mean(sample), **({"only": 1.0} if max(sample) > 5 else {})}

    found = paired_differences(
        measure, [1.0, 2.0], [3.0, 6.0], ["a", "b"], 20, np.random.default_rng(0)
    )
    assert found == {"mean": Difference(1.5, 4.5, 3.0, 3.0)}


@pytest.mark.parametrize("songs", [["a", "a"], ["a", "b", "c"]])
def test_what_is_no_pair(songs: list[str]) -> None:
    with pytest.raises(SoundloomError, match="pairs needed, of 2 songs"):
        paired_differences(mean, [1.0, 2.0], [1.0, 2.0], songs, 10, np.random.default_rng(0))
