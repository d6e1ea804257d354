"""Source ``debian``, with packages built here, an apt repository of them, and the real one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from recordings import music, write_recording
from soundloom.common.errors import SoundloomError
from soundloom.config import Config
from soundloom.corpus.files import read_manifest
from soundloom.ingest.collection import Collection
from soundloom.ingest.sources import debian, open_source
from soundloom.stages import download

RATE_HZ = 8_000

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="this system has no dpkg-deb")
needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="this system has no apt-get")

DEP5 = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: songs

Files: debian/*
Copyright: 2016, A Packager
License: GPL-2+

Files: *
Copyright: 2009, A Band
License: CC-BY-SA-3.0
 Creative Commons Legal Code …
"""


def song(root: Path, name: str, seconds: float = 6, seed: int = 0) -> None:
    write_recording(root / name, music(seconds, RATE_HZ, seed), RATE_HZ)


def build_deb(tree: Path, package: str, copyright_text: str | None = "All yours.\n") -> Path:
    """Make a package of the files below ``tree``, and return its file, beside ``tree``."""
    if copyright_text is not None:
        path = tree / "usr" / "share" / "doc" / package / "copyright"
        path.parent.mkdir(parents=True)
        path.write_text(copyright_text, encoding="utf-8")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {package}\nVersion: 1.0-1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: songs\n"
    )
    deb = tree.parent / f"{package}_1.0-1_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(deb)]
    subprocess.run(command, check=True, capture_output=True)
    return deb


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.fixture
def offer(tree: Path, tmp_path: Path) -> Callable[..., Collection]:
    """Build a package of what lies in ``tree`` and collect it."""

    def collect(
        package: str = "some-songs", leave_out: Sequence[str] = (), **options: Any
    ) -> Collection:
        deb = build_deb(tree, package, **options)
        return debian.collect_package(deb, tmp_path / "unpacked", leave_out)

    return collect


@needs_dpkg
def test_stems_in_a_song_folder_are_one_recording(
    tree: Path, offer: Callable[..., Collection]
) -> None:
    for seed, part in enumerate(["song", "guitar", "drums_1", "drums_2"]):
        song(tree, f"songs/My song/{part}.wav", seconds=2 + seed, seed=seed)
    song(tree, "songs/My song/preview.wav", seed=9)
    song(tree, "songs/My song/interview.wav", seed=10)
    (tree / "songs/My song/song.ini").write_bytes(
        b"\xef\xbb\xbf[Song]\r\nname = 100% mine\r\nartist = The % Band\r\nscores = 6c\r\n"
    )

    collection = offer()

    together, alone = collection.recordings
    assert together.name == "some-songs/songs/My song (100% mine)"
    assert alone.name == "some-songs/songs/My song/interview.wav"
    assert together.artist == alone.artist == "The % Band"
    expected = np.zeros(5 * RATE_HZ)
    for seed in range(4):
        expected[: (2 + seed) * RATE_HZ] += music(2 + seed, RATE_HZ, seed)
    expected /= np.abs(expected).max()
    np.testing.assert_allclose(together.load(RATE_HZ).samples[:], expected, atol=1e-3)
    [extra] = collection.left_out
    assert collection.rejected == ()
    assert extra.file == "some-songs/songs/My song/preview.wav"


@needs_dpkg
def test_unrelated_files_in_one_folder_stay_apart(
    tree: Path, offer: Callable[..., Collection]
) -> None:
    for seed, name in enumerate(["intro", "level1", "guitar", "drums"]):
        song(tree, f"music/{name}.wav", seed=seed)
    song(tree, "other/song.wav", seed=8)
    assert [recording.name for recording in offer().recordings] == [
        "some-songs/music/drums.wav",
        "some-songs/music/guitar.wav",
        "some-songs/music/intro.wav",
        "some-songs/music/level1.wav",
        "some-songs/other/song.wav",
    ]


@needs_dpkg
def test_a_part_in_two_formats_is_summed_once(tree: Path, offer: Callable[..., Collection]) -> None:
    for name in ("song.flac", "song.wav", "guitar.wav"):
        song(tree, f"a/{name}", seconds=1, seed=len(name))
    collection = offer()
    [together] = collection.recordings
    assert [path.name for path in together.load.args[0]] == ["guitar.wav", "song.flac"]  # type: ignore[attr-defined]
    assert [entry.file for entry in collection.left_out] == ["some-songs/a/song.wav"]


@needs_dpkg
def test_audio_in_archives_is_found(tree: Path, offer: Callable[..., Collection]) -> None:
    song(tree, "theme.wav", seed=1)
    song(tree, "boss.wav", seed=2)
    (tree / "games").mkdir()
    with zipfile.ZipFile(tree / "games" / "data.PK3", "w") as archive:
        archive.write(tree / "theme.wav", "music/theme.wav")
        archive.write(tree / "theme.wav", "../escaped.wav")
        archive.writestr("textures/wall.jpg", b"-")
    (tree / "games" / "broken.zip").write_bytes(b"PK")
    (tree / "theme.wav").unlink()

    collection = offer()

    names = [recording.name for recording in collection.recordings]
    assert names == ["some-songs/boss.wav", "some-songs/games/data.PK3/music/theme.wav"]
    np.testing.assert_allclose(
        collection.recordings[1].load(RATE_HZ).samples[:], music(6, RATE_HZ, 1), atol=1e-4
    )
    assert [(entry.file, entry.reason) for entry in collection.rejected] == [
        ("some-songs/games/broken.zip", "not a zip archive, or only a part of one"),
        (
            "some-songs/games/data.PK3/../escaped.wav",
            "cannot be unpacked (its path leads out of the archive)",
        ),
    ]


@needs_dpkg
@pytest.mark.parametrize(
    ("text", "label"),
    [
        (DEP5, "CC-BY-SA-3.0"),
        ("Debianised by hand.\n\nLicense: GPL\n", "see licences/some-songs.txt"),
        (None, "unknown"),
    ],
)
def test_the_licence_is_kept_and_named(
    tree: Path, offer: Callable[..., Collection], text: str | None, label: str
) -> None:
    song(tree, "a.wav")
    collection = offer(copyright_text=text)
    assert collection.recordings[0].licence == label
    assert collection.recordings[0].artist == "some-songs"
    assert collection.licences == ({} if text is None else {"some-songs": text})


@needs_dpkg
def test_links_in_a_package_lead_nowhere(
    tree: Path, offer: Callable[..., Collection], tmp_path: Path
) -> None:
    song(tree, "a.wav")
    song(tmp_path, "private/b.wav")
    (tmp_path / "private" / "copyright").write_text("private")
    (tree / "linked").symlink_to(tmp_path / "private")
    (tree / "b.wav").symlink_to(tmp_path / "private" / "b.wav")
    (tree / "usr/share/doc").mkdir(parents=True)
    (tree / "usr/share/doc/some-songs").symlink_to(tmp_path / "private")
    collection = offer(copyright_text=None)
    assert [recording.name for recording in collection.recordings] == ["some-songs/a.wav"]
    assert collection.licences == {}


@needs_dpkg
def test_a_package_without_audio_is_named(tree: Path, offer: Callable[..., Collection]) -> None:
    (tree / "readme").write_text("nothing to play")
    with pytest.raises(SoundloomError, match="names 'no-songs', but there is no audio in that"):
        offer("no-songs")


@needs_dpkg
def test_a_broken_package_is_named_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "bad_1_all.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(SoundloomError, match=r"^bad_1_all\.deb: cannot be unpacked") as caught:
        debian.collect_package(tmp_path / "bad_1_all.deb", tmp_path / "unpacked")
    assert str(tmp_path) not in str(caught.value)


def test_another_system_learns_what_it_lacks(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    params["dataset"]["source"] = "debian"
    with (
        pytest.raises(SoundloomError, match=r"no apt-get; it needs Debian, Ubuntu"),
        open_source(Config.parse(params, "params.yaml").dataset),
    ):
        pass


@pytest.fixture
def apt_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make apt know one repository alone: the packages given to the function returned."""
    root = tmp_path / "apt"
    for name in ("repository", "state/lists/partial", "cache/archives/partial"):
        (root / name).mkdir(parents=True)
    (root / "sources.list").write_text(f"deb [trusted=yes] file:{root}/repository ./\n")
    (root / "apt.conf").write_text(
        f'Dir::State "{root}/state"; Dir::Cache "{root}/cache"; Dir::State::status "/dev/null";\n'
        f'Dir::Etc::sourcelist "{root}/sources.list"; Dir::Etc::sourceparts "-";\n'
        'APT::Sandbox::User "root"; Acquire::Languages "none";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(root / "apt.conf"))

    def publish(deb: Path) -> None:
        content = deb.read_bytes()
        shutil.copy(deb, root / "repository")
        control = subprocess.run(
            ["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True
        ).stdout.strip()
        (root / "repository" / "Packages").write_text(
            f"{control}\nFilename: ./{deb.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)

    return publish


@needs_dpkg
def test_folders_of_sounds_are_left_out_and_counted(
    tree: Path, offer: Callable[..., Collection]
) -> None:
    for name in ("music/a.wav", "SFX/b.wav", "SFX/music/c.wav", "sfx.wav", "voices/d.wav"):
        song(tree, f"usr/{name}")
    collection = offer(leave_out=["sfx", "voice"])
    assert sorted(recording.name for recording in collection.recordings) == [
        "some-songs/usr/music/a.wav",
        "some-songs/usr/sfx.wav",
        "some-songs/usr/voices/d.wav",
    ]
    assert collection.rejected == ()
    assert [(entry.file, entry.reason) for entry in collection.left_out] == [
        ("some-songs/usr/SFX/", "2 files in a folder that dataset.debian.leave_out names")
    ]


@needs_apt
@needs_dpkg
@pytest.mark.usefixtures("threads_for_processes")
def test_packages_are_fetched_with_apt_and_become_clips(
    tree: Path,
    project: Path,
    save_params: Callable[[dict[str, Any]], None],
    params: dict[str, Any],
    apt_repository: Callable[[Path], None],
) -> None:
    for seed, part in enumerate(["song", "guitar"]):
        song(tree, f"usr/share/games/a/{part}.wav", seconds=20, seed=seed)
    song(tree, "usr/share/games/b.wav", seconds=6, seed=3)
    apt_repository(build_deb(tree, "local-songs", DEP5))
    params["dataset"] |= {"source": "debian", "sample_rate_hz": RATE_HZ}
    params["dataset"] |= {"clip_seconds": 10.0, "min_clip_seconds": 6.0}
    params["dataset"]["debian"]["packages"] = ["local-songs", "local-songs"]
    save_params(params)

    download.main()

    manifest = read_manifest()
    assert [(clip.recording, clip.licence) for clip in manifest.clips] == [
        ("local-songs/usr/share/games/a", "CC-BY-SA-3.0"),
        ("local-songs/usr/share/games/a", "CC-BY-SA-3.0"),
        ("local-songs/usr/share/games/b.wav", "CC-BY-SA-3.0"),
    ]
    assert Path("data/raw/licences/local-songs.txt").read_text(encoding="utf-8") == DEP5
    assert str(project.parent) not in Path("data/raw/manifest.json").read_text()


@needs_apt
@needs_dpkg
def test_an_unknown_package_and_one_that_is_gone_are_named(
    tree: Path, params: dict[str, Any], apt_repository: Callable[[Path], None], tmp_path: Path
) -> None:
    params["dataset"] |= {"source": "debian"}
    params["dataset"]["debian"]["packages"] = ["local-songs"]
    dataset = Config.parse(params, "params.yaml").dataset
    with (
        pytest.raises(SoundloomError, match=r"apt knows no package local-songs; .*apt-get update"),
        open_source(dataset),
    ):
        pass
    song(tree, "a.wav")
    apt_repository(build_deb(tree, "local-songs"))
    (tmp_path / "apt/repository/local-songs_1.0-1_all.deb").unlink()
    with (
        pytest.raises(SoundloomError, match=r"debian\.packages: .*not found.*check the network"),
        open_source(dataset),
    ):
        pass


@pytest.mark.slow
@needs_apt
@needs_dpkg
def test_the_default_packages_hold_eight_songs(params: dict[str, Any]) -> None:
    params["dataset"]["source"] = "debian"
    try:
        with open_source(Config.parse(params, "params.yaml").dataset) as collection:
            first = min(collection.recordings, key=lambda recording: recording.name)
            samples = first.load(RATE_HZ).samples[:]
            files = first.load.args[0]  # type: ignore[attr-defined]
            longest_seconds = max(soundfile.info(file).duration for file in files)
    except SoundloomError as error:
        if "apt knows no package" in str(error) or "check the network" in str(error):
            pytest.skip(f"the packages cannot be had here: {error}")
        raise
    assert len(collection.recordings) == 8
    assert {recording.artist for recording in collection.recordings} == {
        "Muldjord - www.muldjord.com",
        "Composed and performed by Sectoid",
    }
    assert (collection.rejected, collection.left_out) == ((), ())
    assert sorted(collection.licences) == sorted(params["dataset"]["debian"]["packages"])
    assert len(files) == 2
    assert len(samples) / RATE_HZ == pytest.approx(longest_seconds, abs=0.01)
    assert longest_seconds > 180
    assert np.abs(samples).max() <= 1.0
