"""Whether a continuation holds up: fading, washing out, falling silent, sticking in a loop.

Real audio of the same length is the yardstick: it repeats itself too, a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundloom.audio.levels import rms_dbfs
from soundloom.evaluation.metrics.dynamics import spectra, spectral_flatness, spectral_flux
from soundloom.evaluation.metrics.log_mel import (
    frames_per_second,
    passage_blocks,
    passage_frames,
    passages,
)

# Recordings' first and last seconds are compared, where they last as long as both.
END_SECONDS = 15.0
# Longer recordings repeat more: all are judged by as much of them.
REPETITION_SECONDS = 30.0
SILENCE_DBFS = -60.0
_QUIETEST_DBFS = -100.0
_BLOCK_SECONDS = 0.01
_EPSILON = 1e-3  # keeps ratios finite: flatness and flux of music lie above 0.01

# Loops: every second frame is enough, 40 a second.
_FRAMES_PER_STEP = 2
_PERIOD_SECONDS = (0.1, 4.0)
_SHORTEST_COMPARED_SECONDS = 0.5
_RANGE_DB = 60.0
_LEAST_VARIANCE_DB2 = 0.25


@dataclass(frozen=True)
class Loop:
    """A passage that repeats itself with one period; all 0 where there is none."""

    seconds: float
    period_seconds: float
    start_seconds: float


def describe_recording(
    samples: np.ndarray, frames: np.ndarray, sample_rate_hz: int
) -> dict[str, float]:
    """Every number of a whole recording, by name; always finite, from one sample on.

    ``samples`` (n_samples,) and their :func:`~soundloom.evaluation.metrics.log_mel.log_mel`
    ``frames`` (n_frames, n_bands). Under 0.6 s nothing can be stuck, under 5 s nothing be repeated:
    both are 0. ``comparison.WHOLE_RECORDING`` says which are reported, and how.
    """
    rate = frames_per_second(sample_rate_hz)
    return {
        **compare_ends(samples, sample_rate_hz),
        "longest_silence_seconds": longest_silence_seconds(samples, sample_rate_hz),
        "stuck_seconds": longest_loop(frames, rate).seconds,
        "repetition": repetition(frames[: round(REPETITION_SECONDS * rate)], rate),
    }


def compare_ends(
    samples: np.ndarray, sample_rate_hz: int, end_seconds: float = END_SECONDS
) -> dict[str, float]:
    """The last ``end_seconds`` against the first, or halves where there is less audio than two.

    ``level_drift_db`` (RMS, each no lower than -100 dBFS; negative: it fades), ``flatness_ratio``
    (over 1: it washes out into noise) and ``flux_ratio`` (under 1: it freezes).
    """
    n_samples = max(1, min(round(end_seconds * sample_rate_hz), len(samples) // 2))
    levels_dbfs, flatness, flux = [], [], []
    for end in (samples[:n_samples], samples[-n_samples:]):
        power, frequencies_hz = spectra(end, sample_rate_hz)
        levels_dbfs.append(max(rms_dbfs(end), _QUIETEST_DBFS))
        flatness.append(spectral_flatness(power, frequencies_hz))
        flux.append(spectral_flux(power))
    return {
        "level_drift_db": levels_dbfs[1] - levels_dbfs[0],
        "flatness_ratio": (flatness[1] + _EPSILON) / (flatness[0] + _EPSILON),
        "flux_ratio": (flux[1] + _EPSILON) / (flux[0] + _EPSILON),
    }


def longest_silence_seconds(samples: np.ndarray, sample_rate_hz: int) -> float:
    """Longest run of 10 ms blocks whose RMS level is below -60 dBFS, in seconds."""
    n_block = max(1, round(_BLOCK_SECONDS * sample_rate_hz))
    # The last block may be shorter: padding it with its own last sample leaves silence silent.
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % n_block), mode="edge")
    power = np.square(padded.reshape(-1, n_block)).mean(axis=1)
    n_silent, _ = _longest_run(power < 10.0 ** (SILENCE_DBFS / 10.0))
    return min(n_silent * n_block, len(samples)) / sample_rate_hz


def longest_loop(frames: np.ndarray, rate: float, threshold: float = 0.97) -> Loop:
    """The longest passage of log-mel ``frames`` (n, n_bands; dB) that a short period repeats.

    It is stuck while each part as long as the period (0.5 s at least) correlates with the
    one a period later above ``threshold``, bands and frames taken together, for one period of
    0.1 to 4 s. A held chord counts, since every period repeats it; so does hum or strongly coloured
    noise; white noise and silence do not. Of 16 clips of 20 s of real rock and metal, three had
    any, 2.2 s at most; loops of 0.14 to 3.3 s, exact, with noise at -20 dB or decoded from looping
    frames, were found over their whole length.
    """
    levels = frames[::_FRAMES_PER_STEP].astype(np.float64)
    rate = rate / _FRAMES_PER_STEP
    levels = np.maximum(levels, levels.max() - _RANGE_DB)
    levels -= levels.mean()  # or the sums of squares below would lose their last digits
    squares, sums = np.square(levels).mean(axis=1), levels.mean(axis=1)
    best = Loop(0.0, 0.0, 0.0)
    longest = min(round(_PERIOD_SECONDS[1] * rate), len(levels) // 2)
    for lag in range(round(_PERIOD_SECONDS[0] * rate), longest + 1):
        width = max(lag, round(_SHORTEST_COMPARED_SECONDS * rate))
        if lag + width > len(levels):
            break
        product = (levels[:-lag] * levels[lag:]).mean(axis=1)
        means, variances = _moving_mean(sums, width), _moving_mean(squares, width)
        variances = variances - means**2
        covariance = _moving_mean(product, width) - means[:-lag] * means[lag:]
        first, second = variances[:-lag], variances[lag:]
        alike = covariance > threshold * np.sqrt(np.maximum(first * second, 0.0))
        alike &= np.minimum(first, second) > _LEAST_VARIANCE_DB2
        n_alike, start = _longest_run(alike)
        seconds = (n_alike + width + lag - 2) / rate  # from first frame to last
        if n_alike and seconds > best.seconds:
            best = Loop(seconds, lag / rate, start / rate)
    return best


def repetition(frames: np.ndarray, rate: float) -> float:
    """How much a clip repeats itself: -1 to 1, 1 where every passage comes again.

    The mean over passages of 2.5 s, one every 1.25 s, of the best correlation with any passage of
    the clip that does not overlap it. 0 for silence, and where ``frames`` hold less than two
    passages. Longer clips offer more to choose from: compare clips of one length.
    """
    n_frames = passage_frames(rate)
    if len(frames) < 2 * n_frames:
        return 0.0
    starts = np.arange(0, len(frames) - n_frames + 1, max(1, n_frames // 2))
    wanted = passages(frames, starts, n_frames)
    best = np.full(len(starts), -1.0)
    for first, block in passage_blocks(frames, n_frames):
        correlations = wanted @ block.T
        apart = np.abs(first + np.arange(len(block)) - starts[:, None]) >= n_frames
        best = np.maximum(best, np.where(apart, correlations, -1.0).max(axis=1))
    return float(best.mean())


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """``(n,)`` → ``(n - width + 1,)``."""
    summed = np.concatenate([[0.0], np.cumsum(values)])
    return (summed[width:] - summed[:-width]) / width


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """Length and start of the longest run of True; (0, 0) where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(lengths[longest]), int(edges[2 * longest])
