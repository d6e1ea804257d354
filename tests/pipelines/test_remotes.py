"""Outputs and experiments by way of DVC's remotes: a folder, and a server that speaks S3."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

# What DVC makes of the project's own is tested elsewhere; here what is made takes no time.
PIPELINE = """\
stages:
  make:
    cmd: mkdir -p out && cp params.yaml out/made && head -c 3000000 /dev/zero > out/large
    params: [loudness]
    outs: [out]
"""


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def dvc(*arguments: str) -> None:
    """What the command of this name does, without its seconds of start-up."""
    from dvc.cli import main

    assert main([*arguments, "--quiet"]) == 0, f"dvc {' '.join(arguments)}"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on loopback that has a bucket called ``music``."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    urlopen(Request(f"{address}/music", method="PUT")).close()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for a test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield address
    server.stop()


def round_trips(folder: Path, remote: str, monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    """Push from one clone and pull into another: first what was made, then an experiment."""
    for name, value in {"NAME": "test", "EMAIL": "test@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    hub, ours, theirs = (folder / name for name in ("hub.git", "ours", "theirs"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "true")
    git("init", "-q", "--bare", "-b", "main", str(hub))
    git("clone", "-q", str(hub), str(ours))
    monkeypatch.chdir(ours)
    dvc("init")
    dvc("config", "core.check_update", "false")
    (ours / "dvc.yaml").write_text(PIPELINE)
    (ours / "params.yaml").write_text("loudness: 1\n")
    dvc("remote", "add", "--default", "storage", remote)
    for key, value in options.items():
        dvc("remote", "modify", "storage", key, value)
    dvc("repro")
    git("checkout", "-q", "-b", "main")
    git("add", "--all")
    git("commit", "-q", "-m", "made")
    git("push", "-q", "origin", "main")
    dvc("push")
    dvc("exp", "run", "--name", "louder", "-S", "loudness=2")
    dvc("exp", "push", "origin", "louder")

    git("clone", "-q", str(hub), str(theirs))
    monkeypatch.chdir(theirs)
    assert not (theirs / "out").exists()
    dvc("pull")
    assert (theirs / "out/made").read_text() == "loudness: 1\n"
    assert (theirs / "out/large").read_bytes() == bytes(3_000_000)
    dvc("exp", "pull", "origin", "louder")
    dvc("exp", "apply", "louder")
    assert (theirs / "params.yaml").read_text() == "loudness: 2\n"
    assert (theirs / "out/made").read_text() == "loudness: 2\n"


def test_by_way_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    round_trips(tmp_path, str(tmp_path / "storage"), monkeypatch)
    assert len(list((tmp_path / "storage").rglob("*.dir"))) == 2


@pytest.mark.skipif(
    not (find_spec("dvc_s3") and find_spec("moto")), reason="`make scale` installs DVC's S3"
)
def test_by_way_of_s3(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    round_trips(tmp_path, "s3://music/storage", monkeypatch, endpointurl=bucket)
    listed = urlopen(f"{bucket}/music?list-type=2").read().decode()
    assert listed.count(".dir</Key>") == 2
