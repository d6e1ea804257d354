"""The tagger, built once for the tests that need it."""

from __future__ import annotations

import pytest

from soundloom.common.keras_setup import start_keras
from soundloom.evaluation.tagger import Tagger


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """The pretrained tagger; Keras starts here, not when tests are collected."""
    start_keras(seed=0, threads=1)
    from soundloom.evaluation.pretrained import load_tagger

    return load_tagger()


@pytest.fixture(scope="session")
def one_ear(tagger: Tagger) -> Tagger:
    """The same without the further ears, which take two thirds of the time."""
    from soundloom.evaluation.pretrained import load_tagger

    return load_tagger(())
