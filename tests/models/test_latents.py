"""Latents: exact when nothing is left out, most variance first, the same scale for all."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.models.latents import Latents

RNG = np.random.default_rng(0)
# Bins that move together, unequally, around 0.5.
FRAMES = np.clip(
    0.5 + 0.05 * RNG.standard_normal((4, 101, 3)) @ RNG.standard_normal((3, 6)), 0.0, 1.0
).astype(np.float32)


def fitted(n_latents: int, stack_frames: int = 2) -> Latents:
    return Latents.fit([FRAMES[:2], FRAMES[2:]], stack_frames, n_latents)


def test_all_latents_lose_nothing() -> None:
    latents = fitted(12)
    encoded = latents.encode(FRAMES)
    assert encoded.shape == (4, 50, 12)
    np.testing.assert_allclose(latents.decode(encoded), FRAMES[:, :100], atol=2e-6)


def test_few_latents_lose_least_of_what_varies_most() -> None:
    # Three sources mixed into six bins, two frames a step: six directions hold everything.
    encoded = fitted(6).encode(FRAMES)
    np.testing.assert_allclose(fitted(6).decode(encoded), FRAMES[:, :100], atol=2e-2)
    stds = fitted(12).stds
    assert (np.diff(stds) <= 1e-6).all()
    flat = encoded.reshape(-1, 6)
    np.testing.assert_allclose(flat.std(axis=0), fitted(6).stds, rtol=1e-3)
    np.testing.assert_allclose(np.corrcoef(flat.T), np.eye(6), atol=1e-3)


def test_distances_between_latents_are_distances_between_frames() -> None:
    encoded = fitted(12).encode(FRAMES).reshape(-1, 12)
    steps = FRAMES[:, :100].reshape(-1, 12)
    ratio = np.linalg.norm(encoded[1:] - encoded[:-1], axis=1)
    ratio /= np.linalg.norm(steps[1:] - steps[:-1], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert (fitted(12).stds ** 2).mean() == pytest.approx(1.0, rel=1e-3)


def test_a_line_is_found() -> None:
    # All variance along (1, 2) / sqrt 5: one latent, its sign set by the largest entry.
    places = np.array([-0.2, 0.1, 0.1], np.float32)
    frames = 0.5 + places[:, None] * np.array([1.0, 2.0], np.float32)
    latents = Latents.fit([frames[None]], 1, 1)
    np.testing.assert_allclose(latents.encode(frames)[:, 0], places / places.std(), rtol=1e-4)
    np.testing.assert_allclose(latents.decode(latents.encode(frames)), frames, atol=1e-6)


def test_a_prompt_keeps_its_end() -> None:
    latents = fitted(12)
    np.testing.assert_array_equal(latents.whole_steps(FRAMES[:, :101]), FRAMES[:, 1:101])
    np.testing.assert_array_equal(latents.whole_steps(FRAMES[:, :100]), FRAMES[:, :100])
    one = latents.whole_steps(FRAMES[:, :1])
    np.testing.assert_array_equal(one, np.repeat(FRAMES[:, :1], 2, axis=1))


def test_what_is_decoded_are_frames() -> None:
    decoded = fitted(12).decode(100.0 * RNG.standard_normal((3, 12)).astype(np.float32))
    assert decoded.shape == (6, 6)
    assert (decoded.min(), decoded.max()) == (0.0, 1.0)


def test_silence_has_latents_too() -> None:
    silent = np.zeros((1, 10, 4), np.float32)
    latents = Latents.fit([silent], 2, 3)
    assert np.isfinite(latents.encode(silent) / latents.stds).all()
    np.testing.assert_array_equal(latents.decode(latents.encode(silent)), silent)


def test_arrays_rebuild_it() -> None:
    rebuilt = Latents.from_arrays(fitted(5).arrays())
    np.testing.assert_array_equal(rebuilt.encode(FRAMES), fitted(5).encode(FRAMES))
