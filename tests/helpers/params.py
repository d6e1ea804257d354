"""The configuration of the tests, ``tests/params.yaml``: as a document, checked, and as a file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from soundloom.common.params import flattened, read_params, with_keys
from soundloom.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]


def small_params(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A document of small sizes, with some keys, ``section.key``, changed.

    Keys that ``tests/params.yaml`` lacks are filled in from the project's own file: a new knob is
    tested as it ships, and a new default of an old one changes no test.
    """
    return with_keys(_read_once(), changes or {})


@functools.cache
def _read_once() -> dict[str, Any]:
    """Parsing takes a tenth of a second, and hundreds of tests ask; :func:`with_keys` copies."""
    own = flattened(read_params(REPOSITORY / "tests" / "params.yaml"))
    return with_keys(read_params(REPOSITORY / "params.yaml"), own)


def small_config(changes: Mapping[str, Any] | None = None) -> Config:
    """The same, checked."""
    return Config.parse(small_params(changes), "tests/params.yaml")


def write_params(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """The same, as ``folder/params.yaml``."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(small_params(changes), sort_keys=False), encoding="utf-8")
    return path
