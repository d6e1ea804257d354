"""Levels of signals whose levels are known."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.audio.levels import peak_dbfs, rms_dbfs, side_to_mid_db


def test_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * np.arange(1000) / 100)
    assert peak_dbfs(sine) == pytest.approx(0.0, abs=0.01)
    assert rms_dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(sine / 10) == pytest.approx(-20.0, abs=0.01)


@pytest.mark.parametrize(
    ("right", "width_db"), [(0.0, 0.0), (0.5, -9.54), (1.0, -200.0), (-1.0, 200.0), (-3.0, 6.02)]
)
def test_the_width_of_stereo(right: float, width_db: float) -> None:
    left = np.sqrt(2) * np.sin(2 * np.pi * np.arange(1000) / 100)
    found = side_to_mid_db(np.stack([left, right * left], axis=1))
    assert found == pytest.approx(width_db, abs=0.01)


def test_silence_has_a_finite_level() -> None:
    assert peak_dbfs(np.zeros(10)) == rms_dbfs(np.zeros(10)) == -200.0
