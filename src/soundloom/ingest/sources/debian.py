"""Source ``debian``: freely licensed music by Debian package name, fetched without root.

Packages come with ``apt-get download`` and are taken apart with ``dpkg-deb -x``; nothing is
installed. Games in the manner of Frets on Fire keep a song as *stems*, one file an instrument,
in a folder of its own: those are summed to the recording they were made from.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from soundloom.audio.files import AUDIO_SUFFIXES, decode_stems
from soundloom.common.errors import SoundloomError
from soundloom.corpus.manifest import Rejected
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources.files import find_audio, relative_name, unpack_zip

ARCHIVE_SUFFIXES = (".zip", ".pk3", ".pk4")

SONG_INFO = "song.ini"
MAX_TEXT_CHARACTERS = 1 << 20  # read of that, and of a copyright file

# Files of a song folder by stem name: parts that are summed, and extras that are not music of
# their own.
PART = re.compile(r"(song|guitar|rhythm|bass|keys|drums|vocals)(_(\d|coop|explicit))?")
EXTRA = re.compile(r"preview|crowd")

# The index is fetched by `apt-get update` alone, so only a package's own transfer is waited for.
APT_OPTIONS = {
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "30",
    "Acquire::https::Timeout": "30",
    # Root would fetch as the user _apt, who may not write to our folder: apt warns, and then
    # does as this says.
    "APT::Sandbox::User": "root",
}
APT_TIMEOUT_SECONDS = 3600
UNPACK_TIMEOUT_SECONDS = 600


def collect(config: DatasetConfig, work: Path) -> Collection:
    """Fetch ``dataset.debian.packages`` into ``work`` and offer all the audio in them.

    Raises :class:`SoundloomError`: not a Debian system, a package unknown or not to be had, or
    without audio.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SoundloomError(
                f"dataset.source is 'debian', but this system has no {tool}; it needs Debian, "
                "Ubuntu or the like (elsewhere: builtin, folder or gtzan)"
            )
    packages = [
        collect_package(deb, work / "unpacked", config.debian.leave_out)
        for deb in _fetch(config.debian.packages, work / "fetched")
    ]
    return Collection(
        recordings=tuple(recording for package in packages for recording in package.recordings),
        rejected=tuple(entry for package in packages for entry in package.rejected),
        left_out=tuple(entry for package in packages for entry in package.left_out),
        licences={name: text for package in packages for name, text in package.licences.items()},
    )


def collect_package(deb: Path, unpacked: Path, leave_out: Sequence[str] = ()) -> Collection:
    """Offer the audio of one package, taken apart to ``unpacked/<package>``.

    Recordings are named by their path in the package and, where known, their title. What lies in
    folders that ``leave_out`` names, in any case, is not offered. Raises :class:`SoundloomError` if
    there are none.
    """
    package = deb.name.partition("_")[0]
    root = unpacked / package
    _unpack(deb, root)
    unpackable = _unpack_archives(root)
    files, left_out = _without_folders(find_audio(root), root, leave_out)
    if not files:
        first = [*unpackable, *left_out][:1]
        reasons = "".join(f"; {entry.file}: {entry.reason}" for entry in first)
        raise SoundloomError(
            f"dataset.debian.packages names {package!r}, but there is no audio in that package"
            + reasons
        )
    licence = _licence_text(root, package)
    songs, extras = _songs(files, root)
    return Collection(
        recordings=tuple(
            Recording(
                name=f"{package}/{song.name}",
                load=partial(decode_stems, song.files),
                artist=song.artist or package,
                licence=licence_label(licence, package),
                made_of=([file.name for file in song.files], *song.files),
            )
            for song in songs
        ),
        rejected=_within(package, unpackable),
        left_out=_within(package, [*extras, *left_out]),
        licences={package: licence} if licence else {},
    )


def _within(package: str, entries: Iterable[Rejected]) -> tuple[Rejected, ...]:
    return tuple(Rejected(f"{package}/{entry.file}", entry.reason) for entry in entries)


def licence_label(text: str | None, package: str) -> str:
    """Name the licence that a package's copyright file gives, if it is machine-readable.

    The format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    """
    if text is None:
        return "unknown"
    if text.startswith("Format:"):
        for paragraph in re.split(r"\n\s*\n", text):
            files = re.search(r"^Files:\s*\*\s*$", paragraph, re.MULTILINE)
            licence = re.search(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE)
            if files and licence:
                return licence[1].strip()
    return f"see licences/{package}.txt"


def _without_folders(
    files: Iterable[Path], root: Path, leave_out: Sequence[str]
) -> tuple[list[Path], list[Rejected]]:
    """Files outside folders of these names; second, those folders, each with how much is in it."""
    names = {name.lower() for name in leave_out}
    kept: list[Path] = []
    inside: Counter[Path] = Counter()
    for file in files:
        above = [folder for folder in file.parents if folder.is_relative_to(root)][:-1]
        named = [folder for folder in above if folder.name.lower() in names]
        if named:
            inside[named[-1]] += 1  # the outermost
        else:
            kept.append(file)
    return kept, [
        Rejected(
            f"{relative_name(folder, root)}/",
            f"{count} files in a folder that dataset.debian.leave_out names",
        )
        for folder, count in inside.items()
    ]


@dataclass(frozen=True)
class Song:
    """Files that are summed to one recording; nearly always a single one."""

    name: str
    files: tuple[Path, ...]
    artist: str | None


def _songs(files: Iterable[Path], root: Path) -> tuple[list[Song], list[Rejected]]:
    """Group audio files by the recording they belong to; second, the extras beside stems."""
    songs: list[Song] = []
    extras: list[Rejected] = []
    by_folder = sorted(files, key=lambda file: (file.parent, file))
    for folder, together in groupby(by_folder, key=lambda file: file.parent):
        info = _song_info(folder / SONG_INFO, root)
        parts, others = _split_stems(list(together), is_song_folder=bool(info))
        if parts:
            name = relative_name(folder if len(parts) > 1 else parts[0], root)
            title = info.get("name")
            title = f"{name} ({title})" if title else name
            songs.append(Song(title, tuple(parts), info.get("artist")))
        for file in others:
            name = relative_name(file, root)
            if parts and (PART.fullmatch(_stem(file)) or EXTRA.fullmatch(_stem(file))):
                extras.append(Rejected(name, "no recording of its own beside the song's stems"))
            else:
                songs.append(Song(name, (file,), info.get("artist")))
    return songs, extras


def _split_stems(files: Sequence[Path], is_song_folder: bool) -> tuple[list[Path], list[Path]]:
    """The files of one folder that are parts of a song, one for each part, and the others.

    Only in a folder with a ``song.*`` or a ``song.ini`` do names such as ``drums.ogg`` mean parts:
    elsewhere they may be unrelated sounds.
    """
    parts: dict[str, Path] = {}
    for file in files:
        if PART.fullmatch(_stem(file)):
            parts.setdefault(_stem(file), file)
    if not (is_song_folder or (len(parts) > 1 and "song" in parts)):
        parts = {}
    stems = list(parts.values())
    return stems, [file for file in files if file not in stems]


def _stem(file: Path) -> str:
    return file.stem.lower()


def _song_info(path: Path, root: Path) -> Mapping[str, str]:
    """The ``[song]`` section of a song.ini; empty when there is none."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(_text(path, root) or "")
    except configparser.Error:
        return {}
    for section in parser.sections():
        if section.lower() == "song":
            return {key: value.strip() for key, value in parser[section].items() if value.strip()}
    return {}


def _licence_text(root: Path, package: str) -> str | None:
    return _text(root / "usr" / "share" / "doc" / package / "copyright", root)


def _text(path: Path, root: Path) -> str | None:
    """What a text file of a package says; ``None`` if it is no such file."""
    # A link could lead out of the package, to a file of this system. A pipe would never end.
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.read(MAX_TEXT_CHARACTERS)


def _unpack_archives(root: Path) -> list[Rejected]:
    """Put a folder of the same name, with the audio in it, in the place of every archive."""
    rejected: list[Rejected] = []
    for archive in sorted(root.rglob("*")):
        if archive.suffix.lower() not in ARCHIVE_SUFFIXES or not archive.is_file():
            continue
        if archive.is_symlink():
            continue
        aside = archive.with_name(f"{archive.name}.part")
        try:
            unpackable = unpack_zip(archive, aside, _place_music)
        except SoundloomError as error:
            shutil.rmtree(aside, ignore_errors=True)  # what was unpacked of it until then
            rejected.append(Rejected(relative_name(archive, root), _reason(error, archive)))
            continue
        parent = relative_name(archive.parent, root)
        rejected += [Rejected(f"{parent}/{entry.file}", entry.reason) for entry in unpackable]
        if aside.is_dir():
            archive.unlink()
            aside.rename(archive)
    return rejected


def _reason(error: SoundloomError, file: Path) -> str:
    """The error's text without the temporary path it begins with."""
    return str(error).removeprefix(f"{file}: ")


def _place_music(member: PurePosixPath) -> PurePosixPath | None:
    wanted = member.suffix.lower() in AUDIO_SUFFIXES or member.name.lower() == SONG_INFO
    return member if wanted else None


def _fetch(packages: Sequence[str], folder: Path) -> list[Path]:
    """Download the packages' files to ``folder``."""
    folder.mkdir()
    print(f"fetching {', '.join(packages)} with apt-get", file=sys.stderr)
    options = [word for key, value in APT_OPTIONS.items() for word in ("-o", f"{key}={value}")]
    tool = _run(
        ["apt-get", "download", "--quiet", *options, *packages], APT_TIMEOUT_SECONDS, folder
    )
    if tool.returncode:
        raise SoundloomError(f"dataset.debian.packages: {_advice(tool.stdout)}")
    return sorted(folder.glob("*.deb"))


def _unpack(deb: Path, root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    tool = _run(["dpkg-deb", "--extract", str(deb), str(root)], UNPACK_TIMEOUT_SECONDS)
    if tool.returncode:
        complaint = " ".join(tool.stdout.replace(str(deb), deb.name).split())
        raise SoundloomError(f"{deb.name}: cannot be unpacked ({complaint})")


def _run(
    command: Sequence[str], timeout_seconds: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool of the packaging system; its two outputs are returned as one."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},  # the messages looked for below are English
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SoundloomError(
            f"dataset.debian: {command[0]} took more than {timeout_seconds} s"
        ) from None


def _advice(output: str) -> str:
    """What to do about the failure that apt-get's ``output`` tells of."""
    unknown = re.findall(r"^E: Unable to locate package (\S+)", output, re.MULTILINE)
    if unknown:
        return (
            f"apt knows no package {', '.join(unknown)}; check the name, and run `apt-get update` "
            "as root if the package lists are empty or old"
        )
    complaint = re.search(r"^E: *(.+)$", output, re.MULTILINE)
    return (
        f"{complaint[1] if complaint else output.strip()[-300:]}; check the network, and run "
        "`apt-get update` as root if the package lists are old"
    )
