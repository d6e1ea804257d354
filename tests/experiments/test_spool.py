"""Variants that wait for MLflow: kept whole, read back as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soundloom.experiments.spool import Spool
from soundloom.experiments.variant import Variant


def test_a_variant_outlives_its_workspace(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    spool.keep(variant)
    spool.keep(variant)
    for _, file in variant.artifacts:
        file.unlink()
    (found,) = spool.waiting()
    assert replace(found, artifacts=variant.artifacts) == variant
    assert [(folder, file.name, file.read_text()) for folder, file in found.artifacts] == [
        ("", "sample_00.wav", "file of ''"),
        ("prompts", "sample_00.wav", "file of 'prompts'"),
    ]


def test_what_is_recorded_waits_no_longer(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    assert list(spool.waiting()) == []
    spool.keep(variant)
    spool.keep(replace(variant, fingerprint="0" * 64))
    spool.drop(variant)
    spool.drop(variant)
    assert [waiting.fingerprint for waiting in spool.waiting()] == ["0" * 64]


def test_one_that_could_not_be_copied_whole_does_not_wait(tmp_path: Path, variant: Variant) -> None:
    spool = Spool(tmp_path)
    variant.artifacts[1][1].unlink()
    with pytest.raises(FileNotFoundError):
        spool.keep(variant)
    assert list(spool.waiting()) == []
