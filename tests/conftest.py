"""Fixtures that several test modules use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from recordings import write_odd_recordings

from soundloom.config import Config, parse_config

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def params() -> dict[str, Any]:
    """The project's own params.yaml, to be changed freely by a test."""
    return yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def config(params: dict[str, Any]) -> Config:
    """The project's own configuration."""
    return parse_config(params)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]) -> Path:
    """An empty project folder with ``params`` written to it, as working directory.

    A test that changes ``params`` writes them again with :func:`write_params`.
    """
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_params(params)
    return folder


def write_params(params: dict[str, Any]) -> None:
    """Write params.yaml in the working directory."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="session")
def odd_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of oddly formatted files, made once; see recordings.py for what is in it."""
    return write_odd_recordings(tmp_path_factory.mktemp("odd"))
