"""The blind test's pairs: equally long, equally loud, and from everywhere."""

from itertools import pairwise

import numpy as np
import pytest

from soundloom.reporting.blind import BlindPair, Passage, choose_pairs, loudness_lkfs

RATE_HZ = 8_000


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
def test_loudness_is_that_of_the_standard(rate_hz: int) -> None:
    times_s = np.arange(2 * rate_hz) / rate_hz
    # BS.1770-5: 0 dBFS of 997 Hz is -3.01; the shelf's 4 dB above, the high pass below.
    levels = [loudness_lkfs(np.sin(2 * np.pi * hz * times_s), rate_hz) for hz in (997, 3_500, 20)]
    assert levels[0] == pytest.approx(-3.01, abs=0.005)
    assert levels[1] == pytest.approx(-3.01 - 0.69 + 4.0, abs=0.2)
    assert levels[2] < -15
    assert loudness_lkfs(np.zeros(100), rate_hz) == -np.inf


def test_both_of_a_pair_are_as_loud_and_neither_is_turned_up() -> None:
    real = {"prompt": noise(20, 0.02, 1), "real": noise(7.5, 0.1, 2)}
    fading = noise(60, 0.1, 3) * np.linspace(0.1, 1, 60 * RATE_HZ)
    pairs = choose_pairs(real, fading, RATE_HZ, 4)
    assert len(pairs) == 4
    for pair in pairs:
        assert pair.seconds == 5.0
        assert max(pair.real.gain, pair.generated.gain) == 1.0
        one, other = (
            loudness_lkfs(cut(sounds, passage), RATE_HZ)
            for sounds, passage in ((real, pair.real), ({"generated": fading}, pair.generated))
        )
        assert one == pytest.approx(other, abs=1e-3)


def cut(sounds: dict[str, np.ndarray], passage: Passage) -> np.ndarray:
    first = round(passage.start_seconds * RATE_HZ)
    return passage.gain * sounds[passage.sound][first : first + 5 * RATE_HZ]


def test_passages_are_spread_over_all_there_is() -> None:
    real, generated = {"prompt": noise(20, 0.1), "real": noise(7.5, 0.1)}, noise(60, 0.1)
    (only,) = choose_pairs(real, generated, RATE_HZ, 1)
    assert (only.real.start_seconds, only.generated.start_seconds) == (10.0, 30.0)
    pairs = choose_pairs(real, generated, RATE_HZ, 16)
    places = [(pair.real.sound, pair.real.start_seconds) for pair in pairs]
    assert places == [*(("prompt", start) for start in (0.0, 5.0, 10.0, 15.0)), ("real", 0.0)]
    starts = [pair.generated.start_seconds for pair in pairs]
    assert all(later - earlier >= 10.0 for earlier, later in pairwise(starts))


def test_what_is_short_or_silent_is_not_asked_about() -> None:
    long, silence = noise(12, 0.1), noise(12, 0.0)
    assert choose_pairs({"prompt": noise(1.9, 0.1)}, long, RATE_HZ, 4) == []
    assert choose_pairs({"prompt": silence}, long, RATE_HZ, 4) == []
    assert choose_pairs({"prompt": long}, silence, RATE_HZ, 4) == []
    assert choose_pairs({"prompt": long}, long, RATE_HZ, 0) == []
    (pair,) = choose_pairs({"prompt": noise(1, 0.1), "real": noise(3, 0.1)}, long, RATE_HZ, 4)
    assert pair == BlindPair(3.0, Passage("real", 0.0, pair.real.gain), pair.generated)
    half = np.concatenate([silence, long])
    assert [p.generated.start_seconds for p in choose_pairs({"p": long}, half, RATE_HZ, 4)] == [
        10.0,
        15.0,
    ]
