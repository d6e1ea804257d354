"""Detail: what latents leave out is restored where it follows from them, and only there."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from soundloom.common.keras_setup import start_keras
from soundloom.models.latents import Latents
from soundloom.pairs.windows import WindowBatches

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
N_FRAMES = 4001
# A bin that moves, and one bent by it: no straight line holds both.
PLACES = 0.2 * np.sin(np.cumsum(RNG.uniform(0.0, 0.2, N_FRAMES)))
BENT = np.stack([0.5 + PLACES, 0.4 + 5.0 * PLACES**2], axis=1).astype(np.float32)
# … and one that has nothing to do with it.
NOISE = np.stack([0.5 + PLACES, RNG.uniform(0.45, 0.55, N_FRAMES)], axis=1).astype(np.float32)
# What is predicted is magnified so.
GAIN = 1.5
Fitted = tuple[Latents, Any]


def batches(frames: np.ndarray) -> WindowBatches:
    index = np.array([(0, start) for start in range(0, N_FRAMES - 101, 50)], np.int32)
    return WindowBatches(
        lambda _: frames, index, window_frames=100, batch_size=8, shard_windows=1000, seed=0
    )


def fit(detail: ModuleType, frames: np.ndarray, epochs: int = 15) -> Fitted:
    start_keras(0, threads=1)
    latents = Latents.fit(batches(frames).epoch(0), 1, 1)
    return latents, detail.Detail.fit(batches(frames), latents, 32, epochs)


@pytest.fixture(scope="module")
def bent(detail: ModuleType) -> Fitted:
    return fit(detail, BENT)


def missing(frames: np.ndarray, latents: Latents, predicted: np.ndarray | float = 0.0) -> float:
    """Root mean square of what is still missing."""
    restored = latents.decode(latents.encode(frames))
    return float(np.sqrt(np.square(frames - restored - predicted).mean()))


def test_what_follows_from_the_latents_is_restored(bent: Fitted) -> None:
    latents, detail = bent
    assert missing(BENT, latents) > 0.04
    predicted = detail(latents.encode(BENT) / latents.stds)
    assert missing(BENT, latents, predicted / GAIN) < 0.2 * missing(BENT, latents)
    # Magnified, it is as much too strong.
    excess = missing(BENT, latents, predicted) / missing(BENT, latents)
    assert excess == pytest.approx(GAIN - 1.0, abs=0.1)


def test_nothing_is_made_up_where_nothing_follows(detail: ModuleType) -> None:
    latents, fitted = fit(detail, NOISE, epochs=5)
    predicted = fitted(latents.encode(NOISE) / latents.stds) / GAIN
    assert np.sqrt(np.square(predicted).mean()) < 0.3 * missing(NOISE, latents)


def test_a_sequence_has_the_same_detail_alone(bent: Fitted) -> None:
    latents, detail = bent
    encoded = latents.encode(BENT[:600].reshape(3, 200, 2)) / latents.stds
    together = detail(encoded)
    assert together.shape == (3, 200, 2)
    assert together.dtype == np.float32
    for number in range(3):
        np.testing.assert_array_equal(detail(encoded[number]), together[number])


def test_it_depends_on_two_steps_around(bent: Fitted) -> None:
    latents, detail = bent
    encoded = latents.encode(BENT[:50]) / latents.stds
    before, moved = detail(encoded), encoded.copy()
    moved[20] += 1.0
    assert np.flatnonzero((detail(moved) != before).any(axis=1)).tolist() == [18, 19, 20, 21, 22]


def test_numpy_predicts_as_keras_does(detail: ModuleType, keras: ModuleType) -> None:
    """The network by Keras's own layers, on the weights that are kept."""
    latents, fitted = fit(detail, BENT, epochs=1)
    arrays = fitted.arrays()
    network = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(32, activation="silu"),
            keras.layers.Dense(32, activation="silu"),
            keras.layers.Dense(2),
        ]
    )
    network.set_weights([arrays[f"detail_{number}"] for number in range(6)])
    encoded = latents.encode(BENT[:50]) / latents.stds
    around = np.pad(encoded[:, 0], 2, mode="edge")
    inputs = np.stack([around[step : step + 5] for step in range(50)])
    expected = network.predict_on_batch(inputs) * float(arrays["detail_scale"])
    np.testing.assert_allclose(fitted(encoded), expected, atol=1e-5)


def test_arrays_rebuild_it(bent: Fitted, detail: ModuleType) -> None:
    latents, fitted = bent
    encoded = latents.encode(BENT[:50]) / latents.stds
    again = detail.Detail.from_arrays(fitted.arrays() | latents.arrays(), 1)
    np.testing.assert_array_equal(again(encoded), fitted(encoded))
    with pytest.raises(KeyError):
        detail.Detail.from_arrays(latents.arrays(), 1)


def test_the_same_seed_gives_the_same_detail(detail: ModuleType) -> None:
    (latents, once), (_, again) = fit(detail, BENT, epochs=1), fit(detail, BENT, epochs=1)
    encoded = latents.encode(BENT[:50]) / latents.stds
    np.testing.assert_array_equal(once(encoded), again(encoded))
