"""Songs whose sections and chords are known, written for the purpose."""

from __future__ import annotations

import numpy as np
import pytest

from signals import RATE_HZ, chord, noise, silence
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.metrics.structure import count_returns, describe, novelty
from soundloom.evaluation.metrics.tonality import chroma

C, F, G = (60, 64, 67), (65, 69, 72), (67, 71, 74)


def described(samples: np.ndarray) -> tuple[float, float, float]:
    """Section changes, returns and chord changes, all of a minute."""
    seconds = len(samples) / RATE_HZ
    got = describe(chroma(samples, RATE_HZ), log_mel(samples, RATE_HZ), seconds)
    assert list(got) == [
        "section_changes_per_minute", "returns_per_minute", "chord_changes_per_minute",
    ]  # fmt: skip
    changes, returns, chords = got.values()
    return changes, returns, chords


def played(*chords: tuple[int, ...], seconds: float = 2.0) -> np.ndarray:
    return np.concatenate([chord(*notes, seconds=seconds) for notes in chords])


def test_sections_of_other_chords_change_and_return() -> None:
    a, b = played(C, F, C, G), played((57, 60, 64), (62, 65, 69), (57, 60, 64), (64, 68, 71))
    changes, returns, _ = described(np.concatenate([a, a, b, b, a]))
    judged = (40.0 - 16.0) / 60.0
    assert (changes, returns) == pytest.approx((2 / judged, 1 / judged))


def test_sections_of_another_sound_change_and_return() -> None:
    a = played(*[C, G] * 4)
    b = a + noise(16.0, rms=0.05)
    changes, returns, _ = described(np.concatenate([a, b, a]))
    judged = (48.0 - 16.0) / 60.0
    assert (changes, returns) == pytest.approx((2 / judged, 1 / judged))
    # What is new each time does not return.
    dark = played(*[(45, 52, 57)] * 8)
    changes, returns, _ = described(np.concatenate([a, b, dark]))
    assert (changes, returns) == pytest.approx((2 / judged, 0.0))


def test_a_loop_goes_nowhere() -> None:
    assert described(played(*[C] * 16)) == (0.0, 0.0, 0.0)
    changes, returns, chords = described(played(*[C, F, G, F] * 4))
    assert (changes, returns) == (0.0, 0.0)
    assert chords == pytest.approx(30.0, abs=3.0)


def test_a_chord_a_second() -> None:
    assert described(played(*[C, F, G] * 7, seconds=1.0))[2] == pytest.approx(60.0, abs=5.0)


def test_noise_and_silence_have_no_sections() -> None:
    for samples in (noise(20.0), silence(20.0)):
        assert described(samples)[:2] == (0.0, 0.0)
    assert described(silence(20.0))[2] == 0.0


@pytest.mark.parametrize("n_samples", [1, 500, 20_000, 10 * RATE_HZ])
def test_short_audio_gives_finite_numbers(n_samples: int) -> None:
    changes, returns, chords = described(noise(10.0)[:n_samples])
    assert (changes, returns) == (0.0, 0.0)
    assert np.isfinite(chords)


def test_the_level_does_not_matter() -> None:
    samples = np.concatenate([played(*[C, G] * 4), noise(8.0, rms=0.02)])
    assert described(0.03 * samples) == pytest.approx(described(samples))


def test_novelty_by_hand() -> None:
    step = np.repeat([[0.0, 1.0], [3.0, 1.0]], 20, axis=0)
    found = novelty(step)
    assert found.argmax() == 20
    assert found[20] == pytest.approx(0.5 * 9.0)
    assert found[19] == pytest.approx(0.5 * (3.0 * 15 / 16) ** 2)
    assert not found[:16].any()
    assert not found[25:].any()


def test_what_returns() -> None:
    a, b, c = np.eye(3)
    assert [
        count_returns(np.stack(sections))
        for sections in ([a], [a, b], [a, b, a], [a, b, c], [a, b, a, b], [a, b, b])
    ] == [0, 0, 1, 0, 2, 0]
