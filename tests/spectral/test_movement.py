"""How much frames change, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.spectral.movement import frame_change


def test_the_mean_change_from_frame_to_frame() -> None:
    assert frame_change(np.ones((5, 3))) == 0.0
    assert frame_change(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]])) == pytest.approx(0.375)
