"""Levels of signals whose levels are known."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.audio.levels import peak_dbfs, rms_dbfs


def test_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * np.arange(1000) / 100)
    assert peak_dbfs(sine) == pytest.approx(0.0, abs=0.01)
    assert rms_dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(sine / 10) == pytest.approx(-20.0, abs=0.01)


def test_silence_has_a_finite_level() -> None:
    assert peak_dbfs(np.zeros(10)) == rms_dbfs(np.zeros(10)) == -200.0
