"""Sources are modules found by name: one more needs no line in a list of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from soundloom.config import Config
from soundloom.ingest.collection import Collection
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources import open_source

SOURCES = get_args(DatasetConfig.model_fields["source"].annotation)


@pytest.mark.parametrize("name", SOURCES)
def test_every_choice_is_a_module_with_a_section_of_its_own(name: str) -> None:
    module = importlib.import_module(f"soundloom.ingest.sources.{name}")
    assert callable(module.collect)
    assert name in DatasetConfig.model_fields


def test_a_source_has_a_folder_that_is_gone_afterwards(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    vinyl = ModuleType("soundloom.ingest.sources.vinyl")
    offered = Collection(())
    folders = []

    def collect(dataset: DatasetConfig, work: Path) -> Collection:
        assert dataset.genre == "rock"
        (work / "side_a.wav").touch()
        folders.append(work)
        return offered

    vinyl.collect = collect  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, vinyl.__name__, vinyl)
    dataset = config.dataset.model_copy(update={"source": "vinyl"})
    with open_source(dataset) as collection:
        assert collection is offered
        assert (folders[0] / "side_a.wav").exists()
    assert not folders[0].exists()
