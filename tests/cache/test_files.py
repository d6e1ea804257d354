"""What is kept is given back bit for bit, or made anew; never anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundloom.cache import files
from soundloom.cache.files import Cache, fingerprint
from soundloom.common.errors import SoundloomError
from soundloom.common.recall import Arrays

ARRAYS: dict[str, np.ndarray] = {
    "rows": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "half": np.array([0.1, np.nan, -0.0], np.float16),
    "none": np.zeros((0, 4)),
    "name": np.array(["Ä", "b"]),
    "one": np.array(0.1),
}


class Maker:
    """Makes ``ARRAYS``, and counts how often."""

    def __init__(self) -> None:
        self.n_made = 0

    def __call__(self) -> Arrays:
        self.n_made += 1
        return ARRAYS


@pytest.fixture
def make() -> Maker:
    return Maker()


def opened(**settings: Any) -> Cache:
    """A cache as the next run of a stage opens it."""
    return Cache("things", ("cache",), settings)


def entries(project: Path) -> list[Path]:
    return sorted((project / ".dvc/tmp/soundloom/cache/things").iterdir())


def saved(arrays: Arrays, file: Path) -> bytes:
    np.savez(file, allow_pickle=False, **arrays)
    return file.read_bytes()


def test_what_is_known_is_given_back_bit_for_bit(project: Path, make: Maker) -> None:
    for _ in range(3):
        with opened() as cache:
            arrays = cache.recall((1, "a"), make)
            assert saved(arrays, project / "found.npz") == saved(ARRAYS, project / "made.npz")
    assert make.n_made == 1
    assert cache.tally("things", "made") == "1 of 1 things known from before, 0 made"
    cache.recall((2, "a"), make)
    assert cache.tally("things", "made") == "1 of 2 things known from before, 1 made"
    assert opened().tally("things", "made") == ""


def test_whatever_it_is_made_of_and_with_counts(project: Path, make: Maker) -> None:
    zeros = np.zeros((2, 3), np.float32)
    (project / "a.wav").write_bytes(b"sound")
    (project / "b.wav").write_bytes(b"sounds")
    caches = [
        opened(), opened(rate=1), opened(rate=2), Cache("things", ("cache", "common"), {}),
        Cache("others", ("cache",), {}),
    ]  # fmt: skip
    things: list[tuple[Any, ...]] = [
        (zeros,), (zeros.T,), (zeros.astype(np.int32),), (zeros + 1,), (-zeros,), (zeros, 1),
        (1, zeros), (project / "a.wav",), (project / "b.wav",), ("ab", "c"), ("a", "bc"), (),
    ]  # fmt: skip
    for cache in caches:
        for made_of in things:
            cache.recall(made_of, make)
    assert make.n_made == len(caches) * len(things)
    for cache in caches:
        for made_of in things:
            cache.recall(made_of, make)
    assert make.n_made == len(caches) * len(things)


def test_a_files_name_and_an_arrays_layout_do_not_count(project: Path) -> None:
    (project / "a.wav").write_bytes(b"sound")
    (project / "b.wav").write_bytes(b"sound")
    assert fingerprint(project / "a.wav") == fingerprint(project / "b.wav")
    rows = np.arange(6).reshape(2, 3)
    assert fingerprint(rows) == fingerprint(np.asfortranarray(rows))
    with pytest.raises(SoundloomError, match="no such file"):
        fingerprint(project / "c.wav")


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_a_flipped_bit(content: bytes) -> bytes:
    return content[:200] + bytes([content[200] ^ 1]) + content[201:]


@pytest.mark.parametrize(
    "damage", [cut_short, with_a_flipped_bit, lambda content: b"", lambda content: content + b"\0"]
)
def test_a_damaged_entry_is_made_anew(
    project: Path, make: Maker, damage: Callable[[bytes], bytes]
) -> None:
    opened().recall((1,), make)
    [entry] = entries(project)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    found = opened().recall((1,), make)
    assert make.n_made == 2
    assert saved(found, project / "found.npz") == saved(ARRAYS, project / "made.npz")
    assert entry.read_bytes() == whole


def test_an_entry_in_anothers_place_is_none(project: Path, make: Maker) -> None:
    cache = opened()
    cache.recall((1,), make)
    [one] = entries(project)
    cache.recall((2,), make)
    [other] = set(entries(project)) - {one}
    other.write_bytes(one.read_bytes())
    cache.recall((2,), make)
    assert make.n_made == 3


def test_where_nothing_can_be_kept_all_is_made(project: Path, make: Maker) -> None:
    place = project / ".dvc/tmp/soundloom"
    place.mkdir(parents=True)
    (place / "cache").write_text("in the way")
    for n_made in (1, 2):
        with opened() as cache:
            assert cache.recall((1,), make) is ARRAYS
        assert make.n_made == n_made


def test_a_temporary_workspace_knows_what_the_project_does(
    project: Path, make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().recall((1,), make)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("DVC_ROOT", str(project))
    opened().recall((1,), make)
    assert make.n_made == 1
    assert not list(workspace.iterdir())


def test_what_was_not_used_longest_makes_room_and_what_was_used_stays(
    project: Path, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as cache:
        for number in range(4):
            cache.recall((number,), make)
            os.utime(project / entry_of(cache, number), (number, number))
    size = entries(project)[0].stat().st_size
    monkeypatch.setattr(files, "MOST_BYTES", 2 * size)
    with opened() as cache:
        cache.recall((0,), make)
    left = {entry.name for entry in entries(project)}
    assert left == {cache.key(0), cache.key(3)}
    monkeypatch.setattr(files, "MOST_BYTES", 0)
    with opened() as cache:
        for number in (0, 3, 4):
            cache.recall((number,), make)
    assert {entry.name for entry in entries(project)} == {cache.key(n) for n in (0, 3, 4)}
    assert make.n_made == 5


def entry_of(cache: Cache, *made_of: Any) -> str:
    return f".dvc/tmp/soundloom/cache/things/{cache.key(*made_of)}"


def test_what_a_killed_run_was_writing_is_removed(project: Path, make: Maker) -> None:
    opened().recall((1,), make)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    [entry] = entries(project)
    left = entry.with_name(f".{entry.name}.{dead}.part")
    left.write_bytes(b"half")
    with opened():
        assert entries(project) == [entry]


def test_many_at_once_all_get_the_same(
    project: Path, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 0)
    monkeypatch.setattr(files, "_LAG_SECONDS", -1e9)  # so that all that others use is dropped

    def ask(number: int) -> Arrays:
        with opened() as cache:
            return cache.recall((number % 3,), make)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(200)))
    expected = saved(ARRAYS, project / "made.npz")
    assert all(saved(arrays, project / "found.npz") == expected for arrays in found)
