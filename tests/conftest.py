"""Fixtures that several test modules use."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
import yaml
from filelock import FileLock
from hypothesis import HealthCheck, settings

from params import small_config, small_params
from projects import Project
from recordings import write_odd_recordings
from soundloom.config import Config

# However busy the machine is, what a test says of the code is the same.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Under `nohup`, or behind a shell's `&`, one of them is ignored, also by what tests start to see it
# end by this.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Begun first, in this order, they leave no worker waiting at the end, nor two at the beginning:
# most run whole pipelines, for minutes, on what the first of them builds.
SLOWEST = (
    "test_pipeline.py",
    "test_reproducible.py",
    "test_models.py",
    "test_experiments.py",
    "test_restore.py",
    "test_interrupted.py",
    "test_fit.py",
    "test_killed.py",
    "test_comparison.py",
    "test_tagger.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow wherever it is asked for, and put the slowest files first."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "pipelines" in item.path.parts or "tagger" in fixtures:
            item.add_marker(pytest.mark.slow)
    place = {name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(SLOWEST)))


# What takes seconds to import, by the test module that first did so while tests were collected.
HEAVY = ("keras", "tensorflow", "mlflow", "matplotlib.pyplot", "dvc")
_imported_at_collection: dict[str, str] = {}


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note which test modules start heavy libraries when they are merely collected."""
    for name in HEAVY:
        if name in sys.modules:
            _imported_at_collection.setdefault(name, report.nodeid)


@pytest.fixture
def heavy_at_collection() -> dict[str, str]:
    """Heavy libraries that were imported before the first test, each with the module to blame."""
    return _imported_at_collection


@pytest.fixture
def params() -> dict[str, Any]:
    """A params.yaml of small sizes, to be changed freely by a test."""
    return small_params()


@pytest.fixture
def config() -> Config:
    """The same, checked."""
    return small_config()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, as working directory; :func:`save_params` gives it params.yaml."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def save_params(project: Path) -> Callable[[dict[str, Any]], None]:
    """Write a document to the project folder's params.yaml."""

    def save(document: dict[str, Any]) -> None:
        text = yaml.safe_dump(document, sort_keys=False)
        (project / "params.yaml").write_text(text, encoding="utf-8")

    return save


@pytest.fixture
def threads_for_processes() -> Iterator[None]:
    """Let joblib use threads, to spare a test the seconds that worker processes take to start."""
    with joblib.parallel_config(backend="threading"):
        yield


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The tiny project after its first `dvc repro`, built once for all of xdist's workers.

    For one module alone; the others take :meth:`Project.duplicate` of ``built_project``.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "built"
    with FileLock(f"{folder}.lock"):
        if not (folder / "kept").exists():
            project = Project.copy(folder / "first")
            assert project.repro() == project.stages()
            project.commit("built")
            project.duplicate(folder / "kept")
    return Project(folder / "first")


@pytest.fixture(scope="session")
def built_project(first_build: Project) -> Project:
    """The built project, without a store, as no test may change it."""
    return Project(first_build.folder.with_name("kept"))


@pytest.fixture
def workspace(built_project: Project, tmp_path: Path) -> Project:
    """A copy of the built project, with an empty store, for one test to work in."""
    from tracked import give_store

    copy = built_project.duplicate(tmp_path / "project")
    give_store(copy.folder)
    return copy


@pytest.fixture(scope="session")
def odd_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of oddly formatted files, made once; see recordings.py for what is in it."""
    return write_odd_recordings(tmp_path_factory.mktemp("odd"))
