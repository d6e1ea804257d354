"""Modules that import Keras, as fixtures: tests that are merely collected do not start it."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from soundloom.common.keras_setup import start_keras


def _module(name: str) -> ModuleType:
    start_keras(0, threads=1)
    return importlib.import_module(name)


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    return _module("keras")


@pytest.fixture(scope="session")
def backbone() -> ModuleType:
    return _module("soundloom.models.backbone")


@pytest.fixture(scope="session")
def density() -> ModuleType:
    return _module("soundloom.models.density")


@pytest.fixture(scope="session")
def detail() -> ModuleType:
    return _module("soundloom.models.detail")


@pytest.fixture(scope="session")
def lstm() -> ModuleType:
    return _module("soundloom.models.lstm")


@pytest.fixture(scope="session")
def tokens() -> ModuleType:
    return _module("soundloom.models.tokens")
