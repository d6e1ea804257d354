"""Detail that is known: tones, attacks of a given slope, modulation of a given depth, smoothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.signal import istft, stft

from signals import RATE_HZ, noise, silence, sine
from soundloom.evaluation.metrics.fine_structure import MODULATION_EDGES_HZ, describe

PARTS = ("low", "mid", "high")


def modulation(described: dict[str, float], part: str) -> list[float]:
    """Of one part of the spectrum, the slowest band first."""
    edges = itertools.pairwise(MODULATION_EDGES_HZ)
    return [described[f"modulation_{part}_{low:g}_to_{high:g}_hz_db"] for low, high in edges]


def attacks(db_per_ms: float, seconds: float = 4.0) -> np.ndarray:
    """Noise that rises by 60 dB at this rate every half second, sounds, and stops."""
    since_ms = np.arange(round(seconds * RATE_HZ)) / RATE_HZ % 0.5 * 1000.0
    gain_db = np.minimum(db_per_ms * since_ms - 60.0, 0.0)
    gain_db[since_ms > 250.0] = -60.0
    return (noise(seconds) * 10.0 ** (gain_db / 20.0)).astype(np.float32)


def harmonics(fundamental_hz: float) -> np.ndarray:
    return np.sum([sine(fundamental_hz * n, amplitude=0.1) for n in range(1, 30)], axis=0)


def test_a_steady_tone_does_not_move() -> None:
    got = describe(sine(440.0), RATE_HZ)
    assert got["frame_change_db"] < 0.01
    assert got["onset_sharpness"] == 0.0
    assert all(value < -40.0 for part in PARTS for value in modulation(got, part))


def test_onsets_are_as_sharp_as_they_rise() -> None:
    found = [describe(attacks(slope), RATE_HZ)["onset_sharpness"] for slope in (0.5, 1.0, 2.0)]
    # Noise ripples, which adds to slow rises.
    assert found == pytest.approx([0.5, 1.0, 2.0], rel=0.25)
    click = silence()
    click[RATE_HZ :: RATE_HZ // 2] = 0.5
    assert describe(click, RATE_HZ)["onset_sharpness"] > 4.0


def test_the_depth_and_the_speed_of_modulation() -> None:
    depth, seconds = 0.8, 8.0
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    got = describe(noise(seconds) * (1.0 + depth * np.cos(2 * np.pi * 4.0 * t)), RATE_HZ)
    still = describe(noise(seconds), RATE_HZ)
    for part in PARTS:
        slow, slower, at_4_hz, fast = modulation(got, part)
        assert at_4_hz == pytest.approx(10 * np.log10(depth**2 / 2), abs=0.7)
        assert max(slow, slower, fast) < at_4_hz - 6.0
        assert modulation(still, part)[2] < at_4_hz - 10.0


def test_an_empty_part_of_the_spectrum_does_not_move() -> None:
    t = np.arange(8 * RATE_HZ) / RATE_HZ
    got = describe(sine(150.0, 8.0) * (1.0 + np.cos(2 * np.pi * 10.0 * t)), RATE_HZ)
    assert modulation(got, "low")[3] == pytest.approx(10 * np.log10(0.5), abs=0.7)
    assert max(modulation(got, "high")) < -20.0


def test_harmonics_lose_contrast_when_smoothed_in_frequency() -> None:
    samples = harmonics(200.0) + noise(rms=1e-3)
    _, _, spectrum = stft(samples, nperseg=4096)
    found = [describe(samples, RATE_HZ)["harmonic_contrast_db"]]
    for bins in (2.0, 4.0, 8.0):
        smooth = gaussian_filter1d(np.abs(spectrum), bins, axis=0) * np.exp(1j * np.angle(spectrum))
        _, again = istft(smooth, nperseg=4096)
        found.append(describe(again.astype(np.float32), RATE_HZ)["harmonic_contrast_db"])
    assert found == sorted(found, reverse=True)
    assert found[0] > found[2] + 10.0
    assert describe(noise(), RATE_HZ)["harmonic_contrast_db"] == pytest.approx(17.5, abs=1.0)


def test_frames_of_noise_change_more_the_more_they_are_shaken() -> None:
    rng = np.random.default_rng(0)
    gains_db = np.repeat(rng.uniform(-1.0, 1.0, 40), RATE_HZ // 10)  # every 0.1 s another
    changes = [
        describe(noise() * 10 ** (spread * gains_db / 20), RATE_HZ)["frame_change_db"]
        for spread in (0.0, 5.0, 10.0)
    ]
    assert changes == sorted(changes)
    assert changes[2] > 1.5 * changes[0]


def test_silence_and_the_shortest_audio() -> None:
    got = describe(silence(), RATE_HZ)
    assert {name: value for name, value in got.items() if not name.startswith("modulation")} == {
        "frame_change_db": 0.0, "onset_sharpness": 0.0, "harmonic_contrast_db": 0.0,
    }  # fmt: skip
    assert {value for part in PARTS for value in modulation(got, part)} == {-80.0}


@settings(max_examples=15, deadline=None)
@given(
    n_samples=st.integers(1, 20_000),
    rate_hz=st.sampled_from([8000, 22_050, 48_000, 96_000]),
    gain_db=st.floats(-40.0, 0.0),
)
def test_the_level_does_not_matter(n_samples: int, rate_hz: int, gain_db: float) -> None:
    samples = attacks(1.0)[:n_samples].astype(np.float64)
    before = describe(samples, rate_hz)
    assert all(isinstance(value, float) and np.isfinite(value) for value in before.values())
    after = describe(samples * 10 ** (gain_db / 20), rate_hz)
    assert after == pytest.approx(before, rel=1e-3, abs=1e-3)
