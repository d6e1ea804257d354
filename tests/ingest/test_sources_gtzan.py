"""Source ``gtzan``: from a folder, from a zip, and from a server that answers as Kaggle does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kagglesdk.kaggle_env
import pytest
from kagglesdk.kaggle_env import KaggleEnv

from recordings import music, write_recording
from soundloom.common.errors import SoundloomError
from soundloom.config import Config
from soundloom.corpus.files import read_manifest
from soundloom.ingest.collection import Collection
from soundloom.ingest.sources import open_source
from soundloom.ingest.sources.gtzan import HANDLE, rock_artist
from soundloom.stages import download

RATE_HZ = 22_050


@pytest.fixture(scope="session")
def gtzan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as Kaggle gives it, in small: the same folders, names, formats and faults."""
    root = tmp_path_factory.mktemp("gtzan")
    originals = root / "Data" / "genres_original"
    for genre in ("jazz", "rock", "blues"):
        for number, seconds in ((0, 6.0), (17, 6.02), (27, 5.9)):
            path = originals / genre / f"{genre}.{number:05d}.wav"
            write_recording(path, music(seconds, RATE_HZ, seed=number + len(genre)), RATE_HZ)
    (originals / "jazz" / "jazz.00054.wav").write_bytes(bytes.fromhex("00ff80") * 400)
    (originals / "rock" / "._rock.00000.wav").write_bytes(b"\0\5\x16\7")
    replica = originals / "rock" / "rock.00099.wav"
    replica.write_bytes((originals / "rock" / "rock.00017.wav").read_bytes())
    pictures = root / "Data" / "images_original" / "rock"
    pictures.mkdir(parents=True)
    (pictures / "rock00000.png").write_bytes(b"-")
    (root / "Data" / "features_30_sec.csv").write_text("filename,length\n")
    return root


@pytest.fixture(scope="session")
def gtzan_zip(gtzan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as a browser downloads it."""
    path = tmp_path_factory.mktemp("downloads") / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(gtzan.rglob("*")):
            archive.write(file, file.relative_to(gtzan))
        archive.writestr("__MACOSX/Data/genres_original/rock/._rock.00017.wav", b"\0\5\x16\7")
    return path


def collect(params: dict[str, Any], path: Path | str, genre: str = "rock") -> Collection:
    params["dataset"] |= {"source": "gtzan", "genre": genre, "gtzan": {"path": str(path)}}
    with open_source(Config.parse(params, "params.yaml").dataset) as collection:
        for recording in collection.recordings:
            if "00054" not in recording.name:
                assert len(recording.load(8_000).samples) >= 5.9 * 8_000
        return collection


ROCK = [
    ("rock/rock.00000.wav", "Morphine"),
    ("rock/rock.00017.wav", "Queen"),
    ("rock/rock.00027.wav", None),
    ("rock/rock.00099.wav", "The Stone Roses"),
]


@pytest.mark.parametrize("inner", ["", "Data", "Data/genres_original"])
def test_a_folder_is_understood_from_any_of_its_levels(
    params: dict[str, Any], gtzan: Path, inner: str
) -> None:
    offered = collect(params, gtzan / inner).recordings
    assert [(recording.name, recording.artist) for recording in offered] == ROCK
    assert {recording.licence for recording in offered} == {
        "none: excerpts of commercial recordings"
    }


def test_a_zip_offers_what_its_folder_offers(
    params: dict[str, Any], gtzan: Path, gtzan_zip: Path
) -> None:
    for genre in ("rock", "jazz", "blues"):
        from_zip, from_folder = (
            [(one.name, one.artist) for one in collect(params, path, genre).recordings]
            for path in (gtzan_zip, gtzan)
        )
        assert from_zip == from_folder
        assert len(from_zip) == (3 if genre == "blues" else 4)


def test_only_the_genre_asked_for_is_unpacked(params: dict[str, Any], gtzan_zip: Path) -> None:
    params["dataset"] |= {"source": "gtzan", "gtzan": {"path": str(gtzan_zip)}}
    with open_source(Config.parse(params, "params.yaml").dataset) as collection:
        [folder] = {recording.load.args[0].parent for recording in collection.recordings}  # type: ignore[attr-defined]
        work = folder.parent
        assert {path.name for path in work.rglob("*.*")} == {name.split("/")[1] for name, _ in ROCK}
    assert not work.exists()


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.usefixtures("threads_for_processes")
def test_its_known_faults_are_left_out(
    project: Path,
    save_params: Callable[[dict[str, Any]], None],
    params: dict[str, Any],
    gtzan: Path,
    gtzan_zip: Path,
    as_zip: bool,
) -> None:
    source = {"source": "gtzan", "gtzan": {"path": str(gtzan_zip if as_zip else gtzan)}}
    for genre, rejected in (
        ("jazz", {"jazz/jazz.00054.wav": "cannot be read as audio (Format not recognised)"}),
        ("rock", {"rock/rock.00099.wav": "exact replica of rock/rock.00017.wav"}),
    ):
        params["dataset"] |= {
            **source,
            "genre": genre,
            "min_clip_seconds": 5.0,
            "clip_seconds": 30.0,
        }
        save_params(params)
        download.main()
        manifest = read_manifest()
        assert {entry.file: entry.reason for entry in manifest.rejected} == rejected
        assert [clip.file for clip in manifest.clips] == [
            f"{genre}/{genre}.{number:05d}.wav" for number in range(3)
        ]


def test_a_path_that_is_not_gtzan_is_named(params: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"gtzan\.path is 'nowhere'; it must be the zip from"):
        collect(params, "nowhere")
    (tmp_path / "page.zip").write_text("<html>Please sign in</html>")
    with pytest.raises(SoundloomError, match=r"page\.zip: not a zip archive"):
        collect(params, tmp_path / "page.zip")
    with pytest.raises(SoundloomError, match="no audio in its Data/genres_original/rock; is it"):
        collect(params, tmp_path)


@pytest.mark.usefixtures("project")
def test_what_the_pipeline_writes_is_refused(params: dict[str, Any], gtzan_zip: Path) -> None:
    inside = Path("data/raw/archive.zip")
    inside.parent.mkdir(parents=True)
    inside.write_bytes(gtzan_zip.read_bytes())
    with pytest.raises(SoundloomError, match=r"gtzan\.path .* must lie apart from data/raw"):
        collect(params, inside)


def test_of_a_zip_that_is_wholly_encrypted_that_is_said(
    params: dict[str, Any], gtzan_zip: Path, tmp_path: Path
) -> None:
    content = bytearray(gtzan_zip.read_bytes())
    with zipfile.ZipFile(gtzan_zip) as opened:
        start = opened.start_dir
    for member in re.finditer(b"PK\1\2", content[start:]):
        content[start + member.start() + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    message = r"secret\.zip', of which nothing can be used: .*rock\.00000\.wav: .*encrypted"
    with pytest.raises(SoundloomError, match=message):
        collect(params, tmp_path / "secret.zip")


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.usefixtures("threads_for_processes")
def test_the_same_clip_in_several_folders_is_listed_as_often(
    project: Path,
    save_params: Callable[[dict[str, Any]], None],
    params: dict[str, Any],
    tmp_path: Path,
    as_zip: bool,
) -> None:
    root, folders = tmp_path / "gtzan", ("Data/genres_original/rock", "genres/rock", "rock")
    for seed, folder in zip((1, 2, 1), folders, strict=True):
        write_recording(root / folder / "rock.00001.wav", music(6.0, 8_000, seed), 8_000)
    write_recording(root / folders[0] / "more" / "rock.00001.wav", music(6.0, 8_000, 3), 8_000)
    if as_zip:
        with zipfile.ZipFile(tmp_path / "gtzan.zip", "w") as archive:
            for file in sorted(root.rglob("*.wav")):
                archive.write(file, file.relative_to(root))
    path = tmp_path / ("gtzan.zip" if as_zip else "gtzan")
    params["dataset"] |= {"source": "gtzan", "gtzan": {"path": str(path)}, "min_clip_seconds": 5.0}
    save_params(params)
    download.main()
    manifest = read_manifest()
    assert len({clip.recording for clip in manifest.clips}) == 3
    [rejected] = manifest.rejected
    assert rejected.reason.startswith("exact replica of ")


def test_artists_are_known_by_number_and_various_ones_are_not() -> None:
    known = [rock_artist(number) for number in range(100)]
    assert known.count(None) == 5 + 6 + 5
    assert known[9:11] == ["Morphine", "Ani DiFranco"]
    assert known[31:34] == [None, "Led Zeppelin", None]
    assert known[99] == "The Stone Roses"


class KaggleStandIn(ThreadingHTTPServer):
    """Answers the three requests that kagglehub makes for a data set; counts them by name."""

    daemon_threads = True

    def __init__(self, archive: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _KaggleHandler)
        self.archive = archive
        self.refuse = False
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _KaggleHandler(BaseHTTPRequestHandler):
    server: KaggleStandIn

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        name = self.path.rpartition("/")[2]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(name)
        assert f"{body['ownerSlug']}/{body['datasetSlug']}" == HANDLE
        if self.server.refuse:
            self._answer(403, b'{"code": 403, "message": "Permission denied"}')
        elif name == "GetDataset":
            self._answer(200, json.dumps({"currentVersionNumber": 7}).encode())
        elif name == "DownloadDataset":
            assert body["datasetVersionNumber"] == 7
            self._answer(302, b"", Location=f"{self.server.address}/storage/archive.zip")

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        digest = base64.b64encode(hashlib.md5(self.server.archive).digest()).decode()
        headers = {"Content-Type": "application/zip", "Accept-Ranges": "bytes"}
        self._answer(200, self.server.archive, **headers, **{"X-Goog-Hash": f"md5={digest}"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests quiet."""


@pytest.fixture
def kaggle_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Send the real kagglehub to another address, with a cache and credentials of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    endpoints = kagglesdk.kaggle_env._env_to_endpoint
    return lambda address: monkeypatch.setitem(endpoints, KaggleEnv.LOCAL, address)


@pytest.fixture
def kaggle(gtzan_zip: Path, kaggle_at: Callable[[str], None]) -> Iterator[KaggleStandIn]:
    with KaggleStandIn(gtzan_zip.read_bytes()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kaggle_at(server.address)
        yield server
        server.shutdown()


def test_without_a_path_kagglehub_fetches_the_collection_once(
    params: dict[str, Any], kaggle: KaggleStandIn, tmp_path: Path
) -> None:
    for _ in range(2):
        offered = collect(params, "").recordings
        assert [(recording.name, recording.artist) for recording in offered] == ROCK
    assert kaggle.requests == [
        "GetDataset",
        "DownloadDataset",
        "/storage/archive.zip",
        "GetDataset",
    ]
    assert (tmp_path / "cache" / "datasets" / HANDLE / "versions" / "7" / "Data").is_dir()


def test_a_refusal_tells_how_to_do_without(params: dict[str, Any], kaggle: KaggleStandIn) -> None:
    kaggle.refuse = True
    message = r"cannot be had from Kaggle \(.*403.*\); download it by hand from https://www\.kaggle"
    with pytest.raises(SoundloomError, match=message):
        collect(params, "")


def test_what_arrives_damaged_is_not_used(params: dict[str, Any], kaggle: KaggleStandIn) -> None:
    kaggle.archive = b"half a fi"
    with pytest.raises(SoundloomError, match=r"Unsupported archive.*set dataset\.gtzan\.path"):
        collect(params, "")


@pytest.mark.parametrize("listening", [True, False], ids=["silent", "absent"])
def test_a_server_that_does_not_answer_is_given_up(
    params: dict[str, Any],
    kaggle_at: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    listening: bool,
) -> None:
    monkeypatch.setattr("soundloom.ingest.sources.gtzan.CONNECT_TIMEOUT_SECONDS", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()  # takes the connection, and never says a word
        kaggle_at(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(SoundloomError, match=r"Kaggle \(no connection\); download it by hand"):
            collect(params, "")
