"""Detail: what latents leave out is restored where it follows from them, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.common.keras_setup import start_keras
from soundloom.models.detail import Detail
from soundloom.models.latents import Latents
from soundloom.pairs.windows import WindowBatches

RNG = np.random.default_rng(0)
N_FRAMES = 4001
# A bin that moves, and one bent by it: no straight line holds both.
PLACES = 0.2 * np.sin(np.cumsum(RNG.uniform(0.0, 0.2, N_FRAMES)))
BENT = np.stack([0.5 + PLACES, 0.4 + 5.0 * PLACES**2], axis=1).astype(np.float32)
# … and one that has nothing to do with it.
NOISE = np.stack([0.5 + PLACES, RNG.uniform(0.45, 0.55, N_FRAMES)], axis=1).astype(np.float32)


def batches(frames: np.ndarray) -> WindowBatches:
    index = np.array([(0, start) for start in range(0, N_FRAMES - 101, 50)], np.int32)
    return WindowBatches(
        lambda _: frames, index, window_frames=100, batch_size=8, shard_windows=1000, seed=0
    )


def fitted(frames: np.ndarray, epochs: int = 15, gain: float = 1.0) -> tuple[Latents, Detail]:
    start_keras(0, threads=1)
    latents = Latents.fit(batches(frames).epoch(0), 1, 1)
    return latents, Detail.fit(batches(frames), latents, 32, epochs, gain)


@pytest.fixture(scope="module")
def bent() -> tuple[Latents, Detail]:
    return fitted(BENT)


def missing(frames: np.ndarray, latents: Latents, detail: Detail | None) -> float:
    """Root mean square of what is still missing."""
    encoded = latents.encode(frames)
    restored = latents.decode(encoded)
    if detail:
        restored = restored + detail(encoded / latents.deviations)
    return float(np.sqrt(np.square(frames - restored).mean()))


def test_what_follows_from_the_latents_is_restored(bent: tuple[Latents, Detail]) -> None:
    latents, detail = bent
    assert missing(BENT, latents, None) > 0.04
    assert missing(BENT, latents, detail) < 0.2 * missing(BENT, latents, None)


def test_nothing_is_made_up_where_nothing_follows() -> None:
    latents, detail = fitted(NOISE, epochs=5)
    told = detail(latents.encode(NOISE) / latents.deviations)
    assert np.sqrt(np.square(told).mean()) < 0.3 * missing(NOISE, latents, None)


def test_it_is_told_as_many_times_as_asked() -> None:
    (latents, plain), (_, magnified) = fitted(BENT, epochs=1), fitted(BENT, epochs=1, gain=1.5)
    encoded = latents.encode(BENT[:50]) / latents.deviations
    told = plain(encoded)
    assert np.abs(told).max() > 0.01
    np.testing.assert_allclose(magnified(encoded), 1.5 * told, rtol=1e-5, atol=1e-7)


def test_a_sequence_is_told_the_same_alone(bent: tuple[Latents, Detail]) -> None:
    latents, detail = bent
    encoded = latents.encode(BENT[:600].reshape(3, 200, 2)) / latents.deviations
    together = detail(encoded)
    assert together.shape == (3, 200, 2)
    assert together.dtype == np.float32
    for number in range(3):
        np.testing.assert_array_equal(detail(encoded[number]), together[number])


def test_it_sees_two_steps_around(bent: tuple[Latents, Detail]) -> None:
    latents, detail = bent
    encoded = latents.encode(BENT[:50]) / latents.deviations
    before, moved = detail(encoded), encoded.copy()
    moved[20] += 1.0
    assert np.flatnonzero((detail(moved) != before).any(axis=1)).tolist() == [18, 19, 20, 21, 22]


def test_kept_as_arrays(bent: tuple[Latents, Detail]) -> None:
    latents, detail = bent
    encoded = latents.encode(BENT[:50]) / latents.deviations
    again = Detail.from_arrays(detail.arrays() | latents.arrays(), 1)
    assert again is not None
    np.testing.assert_array_equal(again(encoded), detail(encoded))
    assert Detail.from_arrays(latents.arrays(), 1) is None


def test_the_same_seed_gives_the_same_detail() -> None:
    (latents, once), (_, again) = fitted(BENT, epochs=1), fitted(BENT, epochs=1)
    encoded = latents.encode(BENT[:50]) / latents.deviations
    np.testing.assert_array_equal(once(encoded), again(encoded))
