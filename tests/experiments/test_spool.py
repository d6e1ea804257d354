"""Variants that wait for MLflow: kept whole, given back as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soundloom.experiments.spool import Spool
from soundloom.experiments.variant import Dataset, Description, Variant


@pytest.fixture
def variant(tmp_path: Path) -> Variant:
    workspace = tmp_path / "workspace"
    for name in ("samples/same.wav", "prompts/same.wav"):
        (workspace / name).parent.mkdir(parents=True)
        (workspace / name).write_text(name)
    return Variant(
        fingerprint="f" * 64,
        description=Description("näme", {"train.epochs": "10"}, {"git.dirty": "true"}),
        metrics={"train/loss": 0.25},
        history=({"epoch": 1.0, "loss": 0.1 + 0.2},),
        dataset=Dataset("rock (builtin)", "0123.dir"),
        artifacts=tuple((kind, workspace / kind / "same.wav") for kind in ("samples", "prompts")),
        stages={"train": "5" * 64},
        workspace=workspace,
    )


def test_a_variant_outlives_its_workspace(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    spool.keep(variant)
    spool.keep(variant)
    for _, file in variant.artifacts:
        file.unlink()
    (found,) = spool.waiting()
    assert replace(found, artifacts=variant.artifacts) == variant
    assert [(folder, file.name, file.read_text()) for folder, file in found.artifacts] == [
        ("samples", "same.wav", "samples/same.wav"),
        ("prompts", "same.wav", "prompts/same.wav"),
    ]


def test_what_is_recorded_waits_no_longer(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    assert list(spool.waiting()) == []
    other = replace(variant, fingerprint="0" * 64)
    spool.keep(variant)
    spool.keep(other)
    spool.drop(variant)
    spool.drop(variant)
    assert [waiting.fingerprint for waiting in spool.waiting()] == ["0" * 64]


def test_one_that_could_not_be_copied_whole_is_none(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    variant.artifacts[1][1].unlink()
    with pytest.raises(FileNotFoundError):
        spool.keep(variant)
    assert list(spool.waiting()) == []
