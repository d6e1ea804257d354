"""Packages that a test takes for installed, or for not, whatever the environment has."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest


def give_package(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have ``importlib.util.find_spec`` find a package, an empty one."""
    package = ModuleType(name)
    package.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, package)


def hide_package(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have neither ``import`` nor ``importlib.util.find_spec`` find a package."""
    nothing: Any = None
    monkeypatch.setitem(sys.modules, name, nothing)
