"""Texture: drawn as recordings have it, the same in NumPy as in Keras."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from soundloom.common.keras_setup import start_keras
from soundloom.models.config import TextureConfig
from soundloom.models.latents import Latents
from soundloom.pairs.windows import WindowBatches

if TYPE_CHECKING:
    from soundloom.models.texture import Texture

pytestmark = pytest.mark.slow

N_BINS, N_LATENTS = 6, 2


def noisy_windows(n_windows: int = 48, n_frames: int = 129) -> np.ndarray:
    """Two slow movements that latents can follow, and noise as loud as the first is high."""
    rng = np.random.default_rng(1)
    level = np.repeat(rng.uniform(0.0, 1.0, (n_windows, n_frames // 16 + 1, 1)), 16, axis=1)
    level = level[:, :n_frames]
    noise = rng.standard_normal((n_windows, n_frames, N_BINS))
    return np.clip(0.3 + 0.3 * level + 0.08 * level * noise, 0.0, 1.0).astype(np.float32)


def batches(windows: np.ndarray) -> WindowBatches:
    index = np.array([(number, 0) for number in range(len(windows))], np.int32)
    return WindowBatches(
        windows.__getitem__,
        index,
        window_frames=windows.shape[1] - 1,
        batch_size=16,
        shard_windows=64,
        seed=0,
    )


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    start_keras(3, threads=1)
    import keras

    return keras


@pytest.fixture(scope="module")
def untrained(keras: ModuleType) -> tuple[Any, Texture]:
    from soundloom.models.texture import Texture, texture_network

    config = TextureConfig(units=8, layers=3, epochs=1)
    network = texture_network(N_LATENTS, 2 * N_BINS, config)
    rng = np.random.default_rng(0)
    # As trained weights are: none of them 0 or 1.
    weights = [0.4 * rng.standard_normal(w.shape).astype(np.float32) for w in network.weights]
    network.set_weights(weights)
    return network, Texture(weights, np.ones(2 * N_BINS, np.float32), 2)


@pytest.mark.parametrize("n_steps", [1, 7, 256, 300])
def test_numpy_and_keras_agree(
    keras: ModuleType, untrained: tuple[Any, Texture], n_steps: int
) -> None:
    from soundloom.models.texture import time_features

    network, texture = untrained
    rng = np.random.default_rng(n_steps)
    noisy = rng.standard_normal((n_steps, 2 * N_BINS), np.float32)
    latents = rng.standard_normal((n_steps, N_LATENTS), np.float32)
    times = keras.ops.convert_to_numpy(time_features(np.array([0.3], np.float32)))
    expected = keras.ops.convert_to_numpy(network([noisy[None], latents[None], times]))[0]
    np.testing.assert_allclose(texture.direction(noisy, latents, 0.3), expected, atol=2e-5)


def test_a_longer_sequence_begins_as_a_shorter_one(
    untrained: tuple[Any, Texture],
) -> None:
    _, texture = untrained
    latents = np.random.default_rng(5).standard_normal((2, 700, N_LATENTS)).astype(np.float32)

    def drawn(n_steps: int) -> np.ndarray:
        return texture(latents[:, :n_steps], [np.random.default_rng(k) for k in (7, 8)])

    np.testing.assert_array_equal(drawn(700)[:, :560], drawn(280))


def test_seed_and_temperature(untrained: tuple[Any, Texture]) -> None:
    _, texture = untrained
    latents = np.zeros((1, 20, N_LATENTS), np.float32)

    def drawn(seed: int, temperature: float = 1.0) -> np.ndarray:
        return texture(latents, [np.random.default_rng(seed)], temperature)

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert np.abs(drawn(1) - drawn(2)).max() > 0.1
    np.testing.assert_array_equal(drawn(1, 0.0), drawn(2, 0.0))


def test_it_learns_how_much_texture_there_is(keras: ModuleType) -> None:
    """Noise as loud as the latents say, where a mean would be none at all."""
    from soundloom.models.texture import Texture, texture_of

    keras.utils.set_random_seed(0)
    windows = noisy_windows()
    latents = Latents.fit(iter([windows]), 2, 1)
    texture = Texture.fit(batches(windows), latents, TextureConfig(units=24, layers=1, epochs=300))
    standardised, real = texture_of(windows, latents)
    drawn = texture(standardised, [np.random.default_rng(k) for k in range(len(windows))], 1.0)
    drawn = drawn.reshape(real.shape)
    loud, quiet = standardised[..., 0] > 0.8, standardised[..., 0] < -0.8
    # A component's sign says nothing: the louder side is the one with more texture.
    if real[loud].std() < real[quiet].std():
        loud, quiet = quiet, loud
    for steps in (loud, quiet):
        assert drawn[steps].std() == pytest.approx(real[steps].std(), rel=0.25)
    assert drawn[loud].std() > 2.0 * drawn[quiet].std()


def test_texture_moves_around_the_detail_where_there_is_one(
    untrained: tuple[Any, Texture],
) -> None:
    from soundloom.models.latent_space import LatentSpace
    from soundloom.models.texture import Texture

    latents = Latents.fit(iter([noisy_windows()]), 2, N_LATENTS)
    texture = untrained[1]
    quiet = Texture(untrained[0].get_weights(), np.full(2 * N_BINS, 0.01, np.float32), 2)

    def detail(standardised: np.ndarray) -> np.ndarray:
        return np.full((len(standardised), 2 * standardised.shape[1], N_BINS), 0.1, np.float32)

    steps = np.random.default_rng(2).standard_normal((1, 40, N_LATENTS)).astype(np.float32)
    plain = latents.decode(steps * latents.stds)
    moved = [
        LatentSpace(latents, detail, quiet).decode(steps, [np.random.default_rng(seed)])  # type: ignore[arg-type]
        for seed in range(40)
    ]
    around = quiet(steps, [np.random.default_rng(0)]) - quiet.mean(steps)
    assert np.ptp(moved, axis=0).mean() > 0.5 * around.std()
    drawn_mean = np.mean([quiet(steps, [np.random.default_rng(s)]) for s in range(40)], axis=0)
    expected = plain + 0.1 + 0.75 * (drawn_mean - quiet.mean(steps))
    np.testing.assert_allclose(np.mean(moved, axis=0), np.clip(expected, 0, 1), atol=2e-3)
    alone = LatentSpace(latents, None, texture).decode(steps, [np.random.default_rng(0)])
    assert alone.shape == plain.shape
