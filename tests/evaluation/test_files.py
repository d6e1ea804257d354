"""Sets of recordings on disk: as they were, checked, and taking no memory, however many."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from soundloom.common.errors import SoundloomError
from soundloom.common.evenly import evenly_spaced
from soundloom.common.io import RowsOnDisk, read_arrays, write_mappable
from soundloom.evaluation.comparison import Comparison, _spaced, _spaced_by_recording
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.features import (
    FeatureSet,
    RecordingFeatures,
    extract_features,
    gather,
    to_arrays,
)
from soundloom.evaluation.files import read_features, write_features
from soundloom.evaluation.tagger import TagResult

RATE_HZ = 22_050
MEGABYTE = 1_000_000
# Of one recording: 2.5 MB, as three minutes have.
N_FRAMES, N_WINDOWS, N_PIECES = 15_000, 60, 18


def recording(number: int, n_frames: int = N_FRAMES) -> RecordingFeatures:
    """Features by arithmetic; ``number`` tells them from others."""
    rng = np.random.default_rng(number)
    return RecordingFeatures(
        name=f"clip ü {number}",
        seconds=n_frames / 80,
        hop_seconds=3.0,
        tags=rng.random((N_WINDOWS + number, 50), np.float32),
        embeddings=rng.standard_normal((N_WINDOWS + number, 200), np.float32),
        further={"another": rng.standard_normal((N_WINDOWS, 30), np.float32)},
        log_mel=rng.uniform(-60, 0, (n_frames, 40)).astype(np.float32),
        descriptors={"rhythm/tempo": rng.random(N_PIECES), "fine/depth": rng.random(N_PIECES)},
        whole={"repetition": number + 0.25, "silence": 1 / 3},
    )


def assert_equal(one: RecordingFeatures, other: RecordingFeatures) -> None:
    for name in ("name", "seconds", "hop_seconds", "whole"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("tags", "embeddings", "log_mel"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for name in ("further", "descriptors"):
        assert list(getattr(one, name)) == list(getattr(other, name))
        for key, values in getattr(one, name).items():
            np.testing.assert_array_equal(values, getattr(other, name)[key], strict=True)


@contextmanager
def within(n_bytes: float) -> Iterator[None]:
    """Fail if more is allocated in between; files that are mapped are not."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n_bytes


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    features = [recording(number, n_frames=20 * number + 1) for number in range(3)]
    path = tmp_path / "set.npz"
    write_features(path, features)
    for found in (read_features(path), FeatureSet(read_arrays(path)), gather(features)):
        assert len(found) == 3
        for one, other in zip(features, found, strict=True):
            assert_equal(one, other)
        assert_equal(found[-1], features[2])
        assert [one.name for one in found[1:]] == ["clip ü 1", "clip ü 2"]
        with pytest.raises(IndexError):
            found[3]
    written = path.read_bytes()
    write_features(path, read_features(path))
    assert path.read_bytes() == written
    write_features(path, gather(iter(features), partial(RowsOnDisk, path)))
    assert path.read_bytes() == written


def test_of_a_set_on_disk_little_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    recordings = [recording(number) for number in range(16)]
    n_bytes = sum(one.log_mel.nbytes for one in recordings)
    assert n_bytes > 38 * MEGABYTE
    known = {number: to_arrays([one]) for number, one in enumerate(recordings)}
    audio = {str(number): np.full(3 * RATE_HZ, number, np.float32) for number in known}

    def never(*_: object) -> TagResult:
        raise AssertionError

    with within(n_bytes / 4):
        found = extract_features(
            audio, RATE_HZ, never, hop_seconds=3.0, threads=1,
            recall=lambda made_of, _: known[int(made_of[0][0])], rows=partial(RowsOnDisk, path),
        )  # fmt: skip
        assert [len(one.log_mel) for one in found] == [N_FRAMES] * 16
    assert [one.name for one in found] == list(audio)
    with within(n_bytes / 2):  # NumPy writes 17 MB at a time
        write_features(path, found)
    with within(n_bytes / 4):
        read = read_features(path)
        assert [len(one.log_mel) for one in read] == [N_FRAMES] * 16
        for one, other in zip(recordings, read, strict=True):
            np.testing.assert_array_equal(one.log_mel[-1], other.log_mel[-1])


def test_passages_are_found_in_a_set_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    write_features(path, [recording(number, n_frames=300) for number in range(4)])
    config = EvaluateConfig(n_windows=20, n_resamples=10, n_pairs=1, ears=[], seed=0, threads=1)
    excerpt = [recording(2, n_frames=201)]
    (match,) = Comparison(excerpt, read_features(path), config, RATE_HZ).nearest(excerpt)
    assert (match.training_clip, match.training_seconds) == (2, 0.0)
    assert match.correlation == pytest.approx(1.0)


def test_of_many_recordings_some_are_compared_by_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [np.full((10, 2), number, np.float32) for number in range(8)]
    chosen = _spaced_by_recording(parts, 4)
    assert [len(part) for part in chosen] == [1] * 8
    monkeypatch.setattr("soundloom.evaluation.comparison._MOST_RECORDINGS", 4)
    assert [part[0, 0] for part in _spaced_by_recording(parts, 4)] == [0, 2, 4, 6]
    assert [len(part) for part in _spaced_by_recording(parts, 20)] == [5] * 4


def test_windows_are_spaced_over_all_of_a_set() -> None:
    parts = [np.arange(start, end)[:, None] for start, end in ((0, 5), (5, 5), (5, 6), (6, 20))]
    for count in (1, 3, 7, 20, 99):
        whole = np.concatenate(parts)
        np.testing.assert_array_equal(_spaced(parts, count), whole[evenly_spaced(20, count)])


def test_files_that_hold_no_features_are_named(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    with pytest.raises(SoundloomError, match=r"set\.npz: no such file"):
        read_features(path)
    arrays = dict(to_arrays([recording(0, n_frames=5)]))
    write_mappable(path, {**arrays, "log_mel": arrays["log_mel"][:-1]})
    with pytest.raises(SoundloomError, match=r"set\.npz: no features .*: 4 rows of log_mel are"):
        read_features(path)
    del arrays["ends/frames"]
    write_mappable(path, arrays)
    with pytest.raises(
        SoundloomError, match=r"set\.npz: no features of .*: it lacks 'ends/frames'; `dvc"
    ):
        read_features(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SoundloomError, match=r"set\.npz: not a \.npz of arrays"):
        read_features(path)
