"""The built-in source: recordings that a pipeline can name, split, load in parallel and trust."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from params import small_params
from soundloom.band.lineup import BANDS
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources.builtin import recordings


def dataset(n_tracks: int, seed: int = 0, clip_seconds: float = 5.0) -> DatasetConfig:
    changes = {
        "dataset.builtin.n_tracks": n_tracks,
        "dataset.builtin.seed": seed,
        "dataset.clip_seconds": clip_seconds,
        "dataset.min_clip_seconds": 1.0,
    }
    return DatasetConfig.parse(small_params(changes), "tests/params.yaml")


def test_the_shipped_corpus() -> None:
    tracks = recordings(dataset(24, clip_seconds=30.0))
    assert [track.name for track in tracks] == [f"track_{index:02d}" for index in range(24)]
    assert {track.artist for track in tracks} == {band.name for band in BANDS}
    assert {track.licence for track in tracks} == {"CC0-1.0"}
    for track in tracks:
        assert track.truth is not None
        assert json.loads(json.dumps(track.truth)) == track.truth
        assert track.truth.keys() == {"tempo_bpm", "key", "beat_seconds", "chords", "sections"}


def test_names_stay_in_order_beyond_a_hundred() -> None:
    names = [track.name for track in recordings(dataset(101))]
    assert len(set(names)) == 101


def test_a_track_does_not_depend_on_how_many_there_are() -> None:
    few, many = recordings(dataset(2)), recordings(dataset(8))
    assert [track.truth for track in few] == [track.truth for track in many[:2]]
    assert few[1].load(8000).samples[:].tobytes() == many[1].load(8000).samples[:].tobytes()


def test_the_seed_makes_another_corpus() -> None:
    one, other = recordings(dataset(3)), recordings(dataset(3, seed=1))
    for mine, theirs in zip(one, other, strict=True):
        assert mine.truth != theirs.truth
        assert not np.array_equal(mine.load(8000).samples[:], theirs.load(8000).samples[:])


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 96_000])
def test_a_recording_pickles_and_loads_at_any_rate(rate_hz: int) -> None:
    track = recordings(dataset(6, clip_seconds=2.5))[5]
    samples = pickle.loads(pickle.dumps(track)).load(rate_hz).samples[:]
    assert samples.shape == (round(2.5 * rate_hz),)
    assert samples.dtype == np.float32
    assert 0.5 < np.abs(samples).max() <= 1.0
    assert samples.tobytes() == track.load(rate_hz).samples[:].tobytes()
