"""What is measured of recordings without any network."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recordings import music
from soundloom.cache.files import Cache
from soundloom.common.lazy import LazyMapping
from soundloom.common.recall import Recall, anew
from soundloom.evaluation.features import (
    describe_minutes,
    describe_structure,
    extract_features,
    to_arrays,
)
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.metrics.stability import compare_ends
from soundloom.evaluation.tagger import TagResult

RATE_HZ = 8000


class Ears:
    """Embeddings by arithmetic, in place of the networks; counts what it hears."""

    def __init__(self) -> None:
        self.n_heard = 0

    def __call__(self, samples: np.ndarray, sample_rate_hz: int, hop_seconds: float) -> TagResult:
        self.n_heard += 1
        tags = np.outer(samples[:3], np.arange(50, dtype=np.float32))
        return TagResult(tags, tags.T.copy().T, {"another": tags * np.float32(hop_seconds)})


def heard(
    recordings: Mapping[str, np.ndarray], ears: Ears, recall: Recall = anew, hop: float = 1.0
) -> bytes:
    """What a stage writes of recordings' features."""
    features = extract_features(
        recordings, RATE_HZ, ears, hop_seconds=hop, threads=2, recall=recall
    )
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **to_arrays(features))
    return file.getvalue()


def known() -> Recall:
    """What the next run of a stage knows."""
    return Cache("features", ("evaluation",)).recall


def test_audio_heard_once_is_not_heard_again(project: Path) -> None:
    songs = {name: music(3.5, RATE_HZ, seed) for seed, name in enumerate("abc")}
    songs["short"] = music(1, RATE_HZ)
    ears = Ears()
    without = heard(songs, ears)
    assert heard(songs, ears, known()) == without
    assert ears.n_heard == 6

    assert heard(songs, ears, known()) == without
    assert ears.n_heard == 6
    # By content, whatever it is called; and nothing but what is new.
    renamed = {"z": songs["a"], "a": songs["b"]}
    found = heard(renamed, ears, known())
    assert found == heard(renamed, Ears())
    assert list(np.load(io.BytesIO(found))["names"]) == ["z", "a"]
    assert ears.n_heard == 6
    more = {**songs, "d": music(3.5, RATE_HZ, seed=3)}
    assert heard(more, ears, known()) == heard(more, Ears())
    assert ears.n_heard == 7
    changed = {**songs, "b": songs["b"] * np.float32(0.999)}
    assert heard(changed, ears, known()) == heard(changed, Ears())
    assert ears.n_heard == 8
    heard(songs, ears, known(), hop=0.5)
    assert ears.n_heard == 11

    for entry in (project / ".dvc/tmp/soundloom/cache/features").iterdir():
        entry.write_bytes(entry.read_bytes()[:-1])
    assert heard(songs, ears, known()) == without
    assert ears.n_heard == 14


def test_structure_is_the_mean_of_whole_minutes_of_recordings_read_once() -> None:
    songs = {"long": music(130, RATE_HZ), "short": music(30, RATE_HZ, seed=1)}
    songs["minute"] = music(60, RATE_HZ, seed=2)
    read: list[str] = []

    def recording(name: str) -> np.ndarray:
        read.append(name)
        return songs[name]

    recordings = LazyMapping({name: partial(recording, name) for name in songs})
    found = describe_minutes(recordings, RATE_HZ, threads=2)
    assert sorted(read) == sorted(songs)
    minutes = [*np.split(songs["long"][: 120 * RATE_HZ], 2), songs["minute"]]
    each = [describe_structure(one, log_mel(one, RATE_HZ), RATE_HZ) for one in minutes]
    assert found.pop("level_change_db") == pytest.approx(
        np.mean([abs(compare_ends(one, RATE_HZ)["level_drift_db"]) for one in minutes])
    )
    assert found == {key: pytest.approx(np.mean([one[key] for one in each])) for key in each[0]}


def test_of_recordings_under_a_minute_there_is_no_structure() -> None:
    assert describe_minutes({"short": music(30, RATE_HZ)}, RATE_HZ, threads=1) == {}
    assert describe_minutes({}, RATE_HZ, threads=1) == {}
