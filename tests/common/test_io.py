"""Files: written whole or not at all, the same bytes again, and clear words when broken."""

from __future__ import annotations

import mmap
import os
import resource
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path

import numpy as np
import pytest

from soundloom.audio.files import write_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.io import (
    RowsOnDisk,
    check_sums,
    folder_written_aside,
    map_arrays,
    read_array,
    read_arrays,
    read_json,
    read_rows,
    remove_leavings,
    write_array,
    write_arrays,
    write_json,
    write_mappable,
    write_rows,
    write_sums,
    write_text,
    written_aside,
)


class Interrupted(Exception):
    """Stands for whatever may stop a write halfway."""


def test_a_file_half_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")

    def write_half() -> None:
        with written_aside(path) as aside:
            aside.write_text("half")
            raise Interrupted

    with pytest.raises(Interrupted):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_half_written_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with folder_written_aside(folder) as aside:
        (aside / "old").touch()

    def write_half() -> None:
        with folder_written_aside(folder) as aside:
            (aside / "new").touch()
            raise Interrupted

    with pytest.raises(Interrupted):
        write_half()
    assert [entry.name for entry in folder.iterdir()] == ["old"]
    with folder_written_aside(folder) as aside:
        (aside / "new").touch()
    assert [entry.name for entry in folder.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_json_and_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ü": [1.5, None]})
    assert read_json(path) == {"ü": [1.5, None]}
    assert "ü" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, float("nan"))
    assert read_json(path) == {"ü": [1.5, None]}
    for broken in ("{", "[" * 200_000):
        path.write_text(broken)
        with pytest.raises(SoundloomError, match=r"a\.json: not valid JSON"):
            read_json(path)
    with pytest.raises(SoundloomError, match=r"b\.json: no such file$"):
        read_json(tmp_path / "b.json")


def test_rows_keep_full_precision(tmp_path: Path) -> None:
    rows = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-17}]
    write_rows(tmp_path / "rows.csv", rows)
    assert read_rows(tmp_path / "rows.csv") == rows
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"epoch,loss\n1,")
    (tmp_path / "rows.csv").write_text("epoch,loss\n1,\n")
    (row,) = read_rows(tmp_path / "rows.csv")
    assert row == pytest.approx({"epoch": 1.0, "loss": nan}, nan_ok=True)
    (tmp_path / "rows.csv").write_text("epoch\none\n")
    with pytest.raises(SoundloomError, match="not a table of numbers"):
        read_rows(tmp_path / "rows.csv")
    with pytest.raises(SoundloomError, match="no such file"):
        read_rows(tmp_path / "none.csv")


def test_arrays_are_mapped_and_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(6).reshape(2, 3))
    array = read_array(path)
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SoundloomError, match=r"a\.npy: not a \.npy array"):
        read_array(path)
    with pytest.raises(SoundloomError, match="no such file"):
        read_array(tmp_path / "none.npy")


def test_named_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, {"one": np.arange(3), "two": np.zeros((2, 2), np.float32)})
    found = read_arrays(path)
    assert list(found) == ["one", "two"]
    np.testing.assert_array_equal(found["one"], [0, 1, 2])
    assert found["two"].dtype == np.float32
    written = path.read_bytes()
    write_arrays(path, found)
    assert path.read_bytes() == written
    path.write_bytes(b"half")
    with pytest.raises(SoundloomError, match=r"a\.npz: not a \.npz of arrays"):
        read_arrays(path)
    with pytest.raises(SoundloomError, match="no such file"):
        read_arrays(tmp_path / "none.npz")


def test_arrays_of_other_shapes_are_named_and_not_read(tmp_path: Path) -> None:
    path, shapes = tmp_path / "a.npz", {"one": (3,), "two": (2, 2)}
    arrays: dict[str, np.ndarray] = {"one": np.zeros(3, np.float32), "two": np.ones((2, 2))}
    write_arrays(path, arrays)
    assert list(read_arrays(path, shapes)) == ["one", "two"]
    wrong: list[tuple[dict[str, np.ndarray], str]] = [
        ({"two": np.ones((2, 1))}, r"two has shape \(2, 1\) of float64; it must be \(2, 2\) of"),
        ({"one": np.zeros(3, int)}, r"one has shape \(3,\) of int64"),
        ({"one": np.array([0.0, np.nan, 0.0])}, "one holds NaN or infinity"),
        ({"three": np.zeros(3)}, "they must be one, two"),
    ]
    for changes, error in wrong:
        write_arrays(path, {**arrays, **changes})
        with pytest.raises(SoundloomError, match=rf"a\.npz: not a \.npz of arrays: {error}"):
            read_arrays(path, shapes)
    # A few bytes that claim to hold forty terabytes.
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**6)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("one.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(SoundloomError, match=r"one has shape \(10000000, 1000000\)"):
        read_arrays(path, {"one": (3,)})


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array's memory is a file's."""
    base: object = array
    while not isinstance(base, mmap.mmap) and base is not None:
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base is not None


def test_rows_on_disk_take_no_memory_and_leave_nothing(tmp_path: Path) -> None:
    rows = RowsOnDisk(tmp_path / "deep" / "set.npz")
    ones = np.ones((2000, 250), np.float32)
    tracemalloc.start()
    for number in range(20):
        rows.append(number * ones)
    joined = rows.joined()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (joined.shape, joined.dtype) == ((40_000, 250), np.float32)
    np.testing.assert_array_equal(joined[::2000, 7], np.arange(20))
    assert peak < 3 * ones.nbytes < joined.nbytes / 5
    assert is_mapped(joined)
    assert is_mapped(joined[3:5])
    assert not joined.flags.writeable
    # It has no name at any time: a process that is killed cannot leave it.
    assert contents(tmp_path) == {}

    columns = RowsOnDisk(tmp_path / "set.npz")
    columns.append(np.arange(6).reshape(2, 3).T)
    columns.append(np.zeros((0, 2), int))
    columns.append(np.array([[7, 8]]))
    np.testing.assert_array_equal(columns.joined(), [[0, 3], [1, 4], [2, 5], [7, 8]])
    none = RowsOnDisk(tmp_path / "set.npz")
    none.append(np.zeros((0, 3), np.float32))
    assert none.joined().shape == (0, 3)


def test_rows_that_the_disk_does_not_hold_are_named(tmp_path: Path) -> None:
    rows = RowsOnDisk(tmp_path / "set.npz")
    rows.append(LARGE[:100])
    with at_most(16_384), pytest.raises(SoundloomError) as raised:
        rows.append(LARGE)
    assert str(raised.value) == f"{tmp_path / 'set.npz'}: cannot be written: File too large"


def test_arrays_of_an_archive_are_mapped_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    large = np.arange(1_000_000, dtype=np.float32).reshape(-1, 4)
    arrays = {
        "names": np.array(["one", "zwö"]),
        "of/large": large,
        "columns first": np.asfortranarray(large[:5]),
        "none": np.zeros((0, 3)),
        "single": np.array(2.5),
    }
    write_mappable(path, arrays)
    tracemalloc.start()
    found = map_arrays(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < large.nbytes / 1.5  # what it is read by, to be checked
    assert list(found) == list(arrays)
    for read in (found, read_arrays(path)):
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype
            assert read[name].flags.f_contiguous == array.flags.f_contiguous
    for array in found.values():
        assert array.flags.aligned
        assert not array.flags.writeable
        assert array.size == 0 or (array.ctypes.data % 64 == 0 and is_mapped(array))
    written = path.read_bytes()
    write_mappable(path, found)
    assert path.read_bytes() == written


def test_archives_that_cannot_be_mapped_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(SoundloomError, match=r"a\.npz: no such file"):
        map_arrays(path)
    write_mappable(path, {"one": np.arange(1000), "two": np.zeros(10)})
    whole = path.read_bytes()
    place = whole.index(np.arange(1000).tobytes())
    flipped = whole[: place + 800] + b"\1" + whole[place + 801 :]
    for damaged in (flipped, whole[:-1], whole[:3000], b"", b"half"):
        path.write_bytes(damaged)
        with pytest.raises(SoundloomError, match=r"a\.npz: not a \.npz of arrays: "):
            map_arrays(path)
    np.savez_compressed(path, one=np.zeros(1000))
    with pytest.raises(SoundloomError, match=r"one\.npy is compressed"):
        map_arrays(path)
    np.savez(path, one=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SoundloomError, match=r"one\.npy does not hold \(1,\) of object"):
        map_arrays(path)
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**6)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("one.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(SoundloomError, match=r"one\.npy does not hold \(10000000, 1000000\)"):
        map_arrays(path)


def test_arrays_that_lie_askew_are_read(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"one": np.arange(5.0), "the other": np.arange(7.0)})
    for array, length in zip(map_arrays(tmp_path / "a.npz").values(), (5, 7), strict=True):
        np.testing.assert_array_equal(array, np.arange(length))
        assert array.flags.aligned


def test_sums_tell_which_file_is_not_as_it_was(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write_sums(tmp_path)
    listed = (tmp_path / "SHA256SUMS").read_text()
    of_a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # the sum of "a"
    assert listed.splitlines()[0] == f"{of_a}  a"
    check_sums(tmp_path, ("a", "b"))
    (tmp_path / "b").write_text("a")
    check_sums(tmp_path, ("a",))
    with pytest.raises(SoundloomError, match=r"/b: damaged, or not from here: its SHA-256 is not"):
        check_sums(tmp_path, ("a", "b"))
    (tmp_path / "b").unlink()
    with pytest.raises(SoundloomError, match=r"/b: no such file$"):
        check_sums(tmp_path, ("a", "b"))


LARGE = np.random.default_rng(0).random(40_000)


def write_weights(path: Path, size: int) -> None:
    """As Keras writes weights, into a folder of their own."""
    import h5py

    with folder_written_aside(path) as aside, h5py.File(aside / "weights.h5", "w") as file:
        file["kernel"] = LARGE[:size]


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "a.txt": lambda path, size: write_text(path, "word\n" * size),
    "a.csv": lambda path, size: write_rows(path, [{"loss": value} for value in LARGE[:size]]),
    "a.npy": lambda path, size: write_array(path, LARGE[:size]),
    "a.npz": lambda path, size: write_arrays(path, {"values": LARGE[:size]}),
    "mappable.npz": lambda path, size: write_mappable(path, {"values": LARGE[:size]}),
    "a.wav": lambda path, size: write_audio(path, LARGE[:size], 22_050),
    "a.flac": lambda path, size: write_audio(path, LARGE[:size], 22_050),
    "folder": write_weights,
}


@contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    """Have this process fail to make a file larger, as one does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, the hidden ones too."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_too_large_is_named_and_the_former_stays(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, 10)
    before = contents(tmp_path)
    with at_most(16_384), pytest.raises(SoundloomError) as raised:
        WRITERS[name](tmp_path / name, len(LARGE))
    assert str(raised.value).startswith(f"{tmp_path / name}: cannot be written: ")
    assert "File too large" in str(raised.value) or "is the disk full?" in str(raised.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_and_one_that_is_read_only(small_disk: Path, name: str) -> None:
    WRITERS[name](small_disk / name, 10)
    before = contents(small_disk)
    with pytest.raises(SoundloomError, match=r"No space left on device|is the disk full"):
        WRITERS[name](small_disk / name, len(LARGE))
    assert contents(small_disk) == before
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for place in (small_disk / name, small_disk / "deep" / name):
        with pytest.raises(SoundloomError) as raised:
            WRITERS[name](place, 10)
        assert str(raised.value) == f"{place}: cannot be written: Read-only file system"
    assert contents(small_disk) == before


def test_a_file_in_a_folder_is_named_by_the_place_it_is_to_have(tmp_path: Path) -> None:
    def write() -> None:
        with folder_written_aside(tmp_path / "a.b") as aside:
            write_array(aside / "deep" / "c.npy", LARGE)

    with at_most(16_384), pytest.raises(SoundloomError) as raised:
        write()
    assert str(raised.value).startswith(f"{tmp_path / 'a.b/deep/c.npy'}: cannot be written: ")
    assert contents(tmp_path) == {}


def test_another_file_s_error_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="recording"), folder_written_aside(tmp_path / "a"):
        (tmp_path / "recording").read_bytes()
    assert contents(tmp_path) == {}


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    dead, alive = ended.pid, os.getpid()
    for name in (f".a.json.{dead}.part", f".b.{dead}.part/c", f".b.former.{dead}.part/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    others = {f".a.json.{alive}.part", ".a.part", "a.1.part", f"deep/.a.{dead}.part"}
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_leavings(tmp_path)
    remove_leavings(tmp_path / "none")
    assert contents(tmp_path).keys() == others


def test_what_dvc_repro_makes_is_told_from_what_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = r"generator/codec\.json: no such file; `dvc repro` makes it$"
    for path in (Path("models/generator/codec.json"), tmp_path / "models/generator/codec.json"):
        with pytest.raises(SoundloomError, match=made):
            read_json(path)
    for path in (Path("nope/codec.json"), Path("models/other/codec.json")):
        with pytest.raises(SoundloomError, match=r"codec\.json: no such file$"):
            read_json(path)
