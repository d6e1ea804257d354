"""Temperature and top-p against distributions worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from soundloom.models.sampling import central_normal, gumbel, sample_categorical

UNIFORMS = (np.arange(10_000) + 0.5) / 10_000
PROBABILITIES = np.array([0.1, 0.5, 0.1, 0.3])


def shares(temperature: float, top_p: float = 1.0) -> np.ndarray:
    logits = np.repeat(np.log(PROBABILITIES)[None] + 7.0, len(UNIFORMS), axis=0)
    chosen = sample_categorical(logits, UNIFORMS, temperature, top_p)
    return np.bincount(chosen, minlength=4) / len(UNIFORMS)


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1.0, 1.0, PROBABILITIES),
        (0.5, 1.0, PROBABILITIES**2 / (PROBABILITIES**2).sum()),
        (0.0, 1.0, [0, 1, 0, 0]),
        (1.0, 0.49, [0, 1, 0, 0]),
        (1.0, 0.51, [0, 0.625, 0, 0.375]),
        (1.0, 0.79, [0, 0.625, 0, 0.375]),
        (1.0, 0.85, [0.1 / 0.9, 0.5 / 0.9, 0, 0.3 / 0.9]),
        (1.0, 0.01, [0, 1, 0, 0]),
    ],
)
def test_shares(temperature: float, top_p: float, expected: list[float]) -> None:
    np.testing.assert_allclose(shares(temperature, top_p), expected, atol=2e-4)


def test_each_row_has_its_own_choice() -> None:
    logits = np.array([[0.0, 50.0, 0.0], [50.0, 0.0, 0.0]])
    np.testing.assert_array_equal(sample_categorical(logits, np.array([0.01, 0.99]), 1.0), [1, 0])


def test_hopeless_choices_are_never_made() -> None:
    logits = np.repeat(np.array([[-1e4, 0.0, 0.0, -1e4]], np.float32), 3, axis=0)
    chosen = sample_categorical(logits, np.array([0.0, 0.5, np.nextafter(1.0, 0.0)]), 1.0)
    np.testing.assert_array_equal(chosen, [1, 2, 2])


def test_central_normal() -> None:
    np.testing.assert_allclose(
        central_normal(np.array([0.5, 0.8413447, 0.1586553])), [0.0, 1.0, -1.0], atol=1e-6
    )
    np.testing.assert_allclose(
        central_normal(np.array([0.0, 1.0]), 0.6826895), [-1.0, 1.0], atol=1e-6
    )
    assert np.isfinite(central_normal(np.array([0.0]))).all()


def test_the_highest_of_logits_and_gumbel_numbers_is_as_frequent_as_probable() -> None:
    gumbels = gumbel(np.random.default_rng(0).random((100_000, 4)))
    chosen = (np.log(PROBABILITIES) + gumbels).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(chosen) / len(chosen), PROBABILITIES, atol=0.006)
    assert np.isfinite(gumbel(np.array([0.0, np.nextafter(1.0, 0.0)]))).all()
