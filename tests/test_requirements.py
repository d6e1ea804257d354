"""requirements.lock alone makes the environment: all that is imported, hashed, and nothing unmet.

requirements-scale.lock adds what docs/scale.md speaks of, and changes nothing of it. That the first
installs on an empty machine is shown by `make`, which installs nothing else.
"""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from imports import closure, imported
from params import REPOSITORY
from soundloom.experiments.mlflow_model import REQUIRED

LOCK, SCALE = (
    (REPOSITORY / f"requirements{name}.lock").read_text(encoding="utf-8") for name in ("", "-scale")
)
# What a package says it needs, and does without here.
DONE_WITHOUT = {
    "musicnn": "its code, for TensorFlow 1 and old NumPy, is never imported",
    **dict.fromkeys(("botocore", "aiobotocore"), "want python-dateutil < 3, and work with 4"),
}


@cache
def locked(lock: str = LOCK + SCALE) -> dict[str, str]:
    """Version of every package that a lock gives this system and Python."""
    lines = re.findall(r"^(\S+==.*?) \\$", lock, re.MULTILINE)
    applying = [
        found for found in map(Requirement, lines) if not found.marker or found.marker.evaluate()
    ]
    return {
        canonicalize_name(found.name): str(found.specifier).removeprefix("==") for found in applying
    }


def unmet(requirements: list[str]) -> list[str]:
    """Those that the lock does not satisfy on this system and Python."""
    parsed = [Requirement(text) for text in requirements]
    return [
        str(wanted)
        for wanted in parsed
        if (not wanted.marker or wanted.marker.evaluate({"extra": ""}))
        and not wanted.specifier.contains(
            locked().get(canonicalize_name(wanted.name), "0"), prereleases=True
        )
    ]


@pytest.mark.parametrize(("lock", "least"), [(LOCK, 100), (SCALE, 10)], ids=["all", "scale"])
def test_every_package_has_hashes_and_no_address(lock: str, least: int) -> None:
    entries = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]
    assert len(entries) > least
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in lock
    assert "index-url" not in lock


def test_what_is_added_changes_nothing() -> None:
    names = set(re.findall(r"^(\S+)==", SCALE, re.MULTILINE))
    assert not names.intersection(re.findall(r"^(\S+)==", LOCK, re.MULTILINE))


def test_whatever_is_imported_is_locked() -> None:
    scripts = ("src", "bench", "tests/helpers")
    own = {path.stem for folder in scripts for path in (REPOSITORY / folder).glob("*.py")}
    own.add("soundloom")
    names = {
        name.partition(".")[0]
        for folder in ("src", "tests", "bench")
        for file in (REPOSITORY / folder).rglob("*.py")
        if "# /// script" not in file.read_text(encoding="utf-8")  # those say what they need
        for name in imported(file)
    }
    packages = metadata.packages_distributions()
    missing = {
        name
        for name in names - own - set(sys.stdlib_module_names)
        if not any(canonicalize_name(one) in locked() for one in packages.get(name, [name]))
    }
    assert not missing


def test_a_served_model_requires_what_its_code_imports() -> None:
    modules = {file for file in closure("soundloom.serving.model") if file.suffix == ".py"}
    names = {name.partition(".")[0] for file in modules for name in imported(REPOSITORY / file)} - {
        "soundloom",
        *sys.stdlib_module_names,
    }
    packages = metadata.packages_distributions()
    found = {canonicalize_name(one) for name in names for one in packages[name]}
    # Markers choose one of TensorFlow's builds; MLflow comes in three packages, of which one asks
    # for the others, as pydantic does for its core; libyaml lies in ruamel's folder, for DVC.
    builds = {"tensorflow", "tensorflow-cpu"}
    beside = {"mlflow-skinny", "mlflow-tracing", "pydantic-core", "ruamel-yaml-clib"}
    assert found & builds
    assert set(REQUIRED) - builds == found - builds - beside


def test_whatever_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert unmet(project["dependencies"]) == []
    for extra, wanted in project["optional-dependencies"].items():
        assert unmet(wanted) == [], extra


def test_what_is_locked_fits_together() -> None:
    installed = {canonicalize_name(one.name) for one in metadata.distributions()}
    broken = {
        name: wrong
        for name in {*locked(LOCK), *installed.intersection(locked(SCALE))}
        if name not in DONE_WITHOUT and (wrong := unmet(metadata.requires(name) or []))
    }
    assert not broken


@pytest.mark.skipif(
    Path(sys.prefix) != REPOSITORY / ".venv", reason="not the environment that `make` makes"
)
def test_the_environment_is_what_is_locked() -> None:
    found = metadata.distributions()
    installed: dict[str, str] = {canonicalize_name(one.name): one.version for one in found}
    assert {name: installed.get(name) for name in locked(LOCK)} == locked(LOCK)
    added = {name: installed[name] for name in locked(SCALE) if name in installed}
    assert added in ({}, locked(SCALE))
    assert set(installed) - set(locked()) <= {"soundloom", "pip", "setuptools"}
