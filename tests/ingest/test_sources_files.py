"""Finding audio in trees and unpacking it from archives, hostile ones included."""

from __future__ import annotations

import errno
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from soundloom.common.errors import SoundloomError
from soundloom.ingest.sources import files
from soundloom.ingest.sources.files import find_audio, relative_name, unpack_zip


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"-")


def names_found(root: Path, **options: bool) -> list[str]:
    return [relative_name(path, root) for path in find_audio(root, **options)]


def test_audio_is_found_by_its_ending_in_order_of_path(tmp_path: Path) -> None:
    touch(tmp_path, "b.wav", "a/z.FLAC", "a/b/c.Mp3", "ä x.ogg", "cover.jpg", "notes", "a/list.m3u")
    touch(tmp_path, "phone/b.M4A", "c.wma", "film.mkv", "film.srt")
    assert names_found(tmp_path) == [
        "a/b/c.Mp3", "a/z.FLAC", "b.wav", "c.wma", "film.mkv", "phone/b.M4A", "ä x.ogg",
    ]  # fmt: skip


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._a.wav", ".b.wav", ".trash/c.wav", "x/._d.wav")
    assert names_found(tmp_path) == ["a.wav"]


def test_links_count_as_what_they_point_to_where_they_are_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root, "a.wav", "sub/b.wav")
    touch(elsewhere, "c.wav")
    (root / "linked").symlink_to(elsewhere)
    (root / "d.wav").symlink_to(elsewhere / "c.wav")
    assert names_found(root) == ["a.wav", "sub/b.wav"]
    assert names_found(root, follow_links=True) == ["a.wav", "d.wav", "linked/c.wav", "sub/b.wav"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/song.wav")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(".")
    assert names_found(tmp_path, follow_links=True) == ["a/b/song.wav"]


def test_a_name_that_is_no_unicode_is_still_text(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(raw, "wb"):  # noqa: PTH123 - a Path cannot be made of bytes
        pass
    [path] = find_audio(tmp_path)
    assert relative_name(path, tmp_path) == r"caf\xe9.wav"
    relative_name(path, tmp_path).encode("utf-8")


def anywhere(member: PurePosixPath) -> PurePosixPath:
    return member


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_members_are_unpacked_where_they_are_placed(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"x/": b"", "x/a.wav": b"A", "b.wav": b"B", "c": b""})

    def place(member: PurePosixPath) -> PurePosixPath | None:
        return PurePosixPath("in", member.name) if member.suffix == ".wav" else None

    assert unpack_zip(archive, tmp_path / "out", place) == ()
    unpacked = {p.name: p.read_bytes() for p in (tmp_path / "out" / "in").iterdir()}
    assert unpacked == {"a.wav": b"A", "b.wav": b"B"}


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("../up.wav", "/abs.wav", "a/../../up.wav", "..\\up.wav", "good.wav"):
            opened.writestr(name, b"x")
        opened.writestr(link, str(tmp_path))
    inside = tmp_path / "work" / "inside"

    rejected = unpack_zip(archive, inside, anywhere)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        archive,
        inside / "good.wav",
    ]
    assert [entry.file for entry in rejected] == [
        "evil.zip/../up.wav",
        "evil.zip//abs.wav",
        "evil.zip/a/../../up.wav",
        "evil.zip/..\\up.wav",
        "evil.zip/link.wav",
    ]
    assert "leads out" in rejected[0].reason
    assert "a link" in rejected[-1].reason


def test_what_lands_on_a_place_that_is_taken_lies_beside_it(tmp_path: Path) -> None:
    names = {"one/a.wav": b"1", "two/a.wav": b"2", "three/a.wav": b"3", "b.wav": b"B"}
    archive = write_zip(tmp_path / "a.zip", names)
    assert unpack_zip(archive, tmp_path / "out", lambda member: PurePosixPath(member.name)) == ()
    unpacked = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert unpacked == {"a.wav": b"1", "a (2).wav": b"2", "a (3).wav": b"3", "b.wav": b"B"}


def test_a_member_that_cannot_be_a_file_is_left_out_with_the_reason(tmp_path: Path) -> None:
    names = ["x" * 300 + ".wav", "a.wav", "a.wav/b.wav", "é" * 200 + "/c.wav", "good.wav"]
    archive = write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"-"))
    rejected = unpack_zip(archive, tmp_path / "out", anywhere)
    assert [entry.file.removeprefix("a.zip/") for entry in rejected] == [
        names[0],
        names[2],
        names[3],
    ]
    assert "File name too long" in rejected[0].reason
    assert all(str(tmp_path) not in entry.reason for entry in rejected)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav", "good.wav"]


def test_a_full_disk_is_no_fault_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_copy", full)
    archive = write_zip(tmp_path / "a.zip", {"a.wav": b"-"})
    with pytest.raises(OSError, match="No space left"):
        unpack_zip(archive, tmp_path / "out", anywhere)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_whatever_is_damaged_in_an_archive_others_are_unpacked(tmp_path: Path, method: int) -> None:
    rng = np.random.default_rng(method)
    content = rng.bytes(400) * 2
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.writestr("bad.wav", content)
        opened.writestr("good.wav", content)
    whole = archive.read_bytes()
    end = whole.index(b"PK\3\4", 4)
    for place in range(30 + len("bad.wav"), end, 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        archive.write_bytes(damaged)
        into = tmp_path / str(place)
        rejected = [entry.file for entry in unpack_zip(archive, into, anywhere)]
        assert rejected in ([], ["a.zip/bad.wav"])  # not every bit has a meaning
        names = ["good.wav"] if rejected else ["bad.wav", "good.wav"]
        assert {path.name: path.read_bytes() for path in into.iterdir()} == dict.fromkeys(
            names, content
        )


def encrypted(archive: Path) -> Path:
    """Say of every member that it is encrypted."""
    content = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            content[place + flags] |= 1
    archive.write_bytes(content)
    return archive


def test_encrypted_members_are_left_out_as_such(tmp_path: Path) -> None:
    archive = encrypted(write_zip(tmp_path / "a.zip", {"a.wav": b"-", "b.wav": b"-"}))
    rejected = unpack_zip(archive, tmp_path / "out", anywhere)
    assert [entry.file for entry in rejected] == ["a.zip/a.wav", "a.zip/b.wav"]
    assert "encrypted; unpack the archive by hand" in rejected[0].reason


def test_a_zip_bomb_is_defused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1 << 30)
    monkeypatch.setattr(files, "COPY_BYTES", 1 << 16)
    archive = write_zip(tmp_path / "bomb.zip", {"a.wav": bytes(1 << 20), "b.wav": bytes(1 << 20)})
    assert unpack_zip(archive, tmp_path / "whole", anywhere) == ()

    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", (1 << 20) + 1)
    with pytest.raises(SoundloomError, match=r"bomb\.zip: unpacks to more than"):
        unpack_zip(archive, tmp_path / "out", anywhere)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 2 << 20


def test_a_damaged_member_does_not_spoil_the_others(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:  # stored, so that the content can be found
        opened.writestr("bad.wav", b"to be damaged")
        opened.writestr("good.wav", b"good")
    archive.write_bytes(archive.read_bytes().replace(b"to be damaged", b"has been dama"))
    rejected = unpack_zip(archive, tmp_path / "out", anywhere)
    assert [entry.file for entry in rejected] == ["a.zip/bad.wav"]
    assert "Bad CRC" in rejected[0].reason
    assert (tmp_path / "out" / "good.wav").read_bytes() == b"good"
    assert not (tmp_path / "out" / "bad.wav").exists()


def test_a_name_that_is_not_the_utf8_it_is_said_to_be_does_not_spoil_the_others(
    tmp_path: Path,
) -> None:
    members = {"caf\u00e9.wav": b"bad", "\u65e5\u672c.wav": b"good", "b.wav": b"good"}
    archive = write_zip(tmp_path / "a.zip", members)
    broken = archive.read_bytes().replace("caf\u00e9".encode(), b"caf\xe9!")
    archive.write_bytes(broken)
    [rejected] = unpack_zip(archive, tmp_path / "out", anywhere)
    assert rejected.file.startswith("a.zip/caf")
    assert rejected.reason.startswith("cannot be unpacked ('utf-8' codec can't decode byte 0xe9")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"\u65e5\u672c.wav", "b.wav"}


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"PK\x03\x04 half"])
def test_what_is_no_zip_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(SoundloomError, match=r"a\.zip: not a zip archive"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out", anywhere)
