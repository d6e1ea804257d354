"""What several devices are given of a batch; that they train as one does, ``test_jax.py`` says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from small_models import batches, built
from soundloom.common.errors import SoundloomError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["density", "lstm"])
def test_windows_that_fill_up_a_batch_weigh_nothing(name: str) -> None:
    from soundloom.models.base import Example
    from soundloom.training.devices import shareable

    model = built(name)
    windows = next(iter(batches("train").epoch(0)))[:5]
    plain = model.example(windows)
    weights = np.random.default_rng(0).uniform(size=plain.targets.shape[:2]).astype(np.float32)
    for example in (plain, Example(plain.inputs, plain.targets, weights)):
        for n_devices, n_windows in ((4, 8), (5, 5), (8, 8)):
            filled = shareable(example, n_devices)
            assert filled.weights is not None
            assert filled.weights.shape == (n_windows, plain.targets.shape[1])
            assert len(filled.targets) == n_windows
            assert loss(model, filled) == pytest.approx(loss(model, example), rel=1e-5)
    assert len(plain.targets) == 5
    assert weights.min() > 0.0


def loss(model: Any, example: Any) -> float:
    outputs = model.network.predict_on_batch(example.inputs)
    return float(model.loss(example.targets, outputs, example.weights))


def test_more_devices_than_there_are_are_refused_by_name() -> None:
    built("lstm")
    from soundloom.training.devices import n_devices, use_devices

    said = r"^compute\.devices is 8; it must be at most 1, the devices that tensorflow finds \(cpu:"
    with pytest.raises(SoundloomError, match=said):
        use_devices(8)
    use_devices(1)
    assert n_devices() == 1
