"""Training windows varied in frame space: louder, higher, slower, through another amplifier.

Each window is drawn its own variation; held-out windows are never touched. Values are taken back to
levels first (dB or log1p), so that any scale of the frames will do. What lies at the floor of the
scale, "this quiet or quieter", stays there; and a stereo image stays as it is.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.interpolate import CubicSpline
from threadpoolctl import ThreadpoolController

from soundloom.spectral.codec import FrameCodec
from soundloom.training.config import AugmentConfig

# Control points of a random equaliser over the frequency axis: a bend every octave and a half.
_EQ_POINTS = 6
# A share of a bin's level that no sum of levels notices.
_NEGLIGIBLE = 1e-20


class Augment:
    """Windows ``(batch, n_frames, n_bins)`` in [0, 1] → varied windows, a little shorter."""

    def __init__(self, config: AugmentConfig, codec: FrameCodec):
        self._config, self._codec = config, codec
        self._frequencies_hz = codec.bin_frequencies_hz
        self._linear_algebra = ThreadpoolController()

    def n_frames(self, n_frames: int) -> int:
        """Frames that a window of ``n_frames`` becomes: the fastest stretch must have enough."""
        return int((n_frames - 1) / (1.0 + self._config.time_stretch)) + 1

    def __call__(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Vary a share ``augment.share`` of the windows; the others are only cut to length."""
        n_frames = self.n_frames(windows.shape[1])
        varied = []
        # Bytes must not depend on how many cores there are; nor is there one to spare in training.
        with self._linear_algebra.limit(limits=1):
            for window in windows:
                if rng.random() < self._config.share:
                    varied.append(self._vary(window, n_frames, rng))
                else:
                    start = rng.integers(0, len(window) - n_frames + 1)
                    varied.append(window[start : start + n_frames])
        return np.stack(varied).astype(np.float32)

    def _vary(self, window: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
        wanted = self._config
        rate = 1.0 + rng.uniform(-wanted.time_stretch, wanted.time_stretch)
        frames = time_stretch(window, rate, n_frames, rng.random())
        window, image = self._codec.mid(frames), self._codec.image(frames)
        semitones = rng.uniform(-wanted.pitch_semitones, wanted.pitch_semitones)
        gain_db = rng.uniform(-wanted.gain_db, wanted.gain_db)
        bends_db = rng.uniform(-wanted.eq_db, wanted.eq_db, _EQ_POINTS)
        gains_db = gain_db + smooth_curve(bends_db, len(self._frequencies_hz))
        levels = self._codec.levels(window)
        levels = shift_pitch(levels, semitones, self._frequencies_hz)
        above_floor = (window > 0.0).astype(np.float32)
        floor = shift_pitch(above_floor, semitones, self._frequencies_hz) < 0.5
        varied = self._codec.frames(self._codec.louder(levels, gains_db))
        return np.concatenate([np.where(floor, 0.0, varied), image], axis=1)


def time_stretch(window: np.ndarray, rate: float, n_frames: int, place: float) -> np.ndarray:
    """``n_frames`` frames met at ``rate`` times the speed, the first at ``place`` of what is spare.

    Frames are repeated or left out, never blended: the mean of two frames of noise is a smoother
    noise, and a model would learn it.
    """
    spare = (len(window) - 1) - rate * (n_frames - 1)
    return window[np.rint(max(spare, 0.0) * place + rate * np.arange(n_frames)).astype(int)]


def shift_pitch(values: np.ndarray, semitones: float, bin_frequencies_hz: np.ndarray) -> np.ndarray:
    """Move ``(n_frames, n_bins)`` along the frequency axis, by cubic splines between bins.

    What lay at frequency f comes to lie at f · 2^(semitones / 12); beyond the ends, the end bins'
    values are repeated. A straight line between bins would flatten harmonics by up to a fifth, and
    a model would learn to play them flat.
    """
    if semitones == 0.0:
        return values
    sources_hz = bin_frequencies_hz / 2.0 ** (semitones / 12.0)
    n_bins = len(bin_frequencies_hz)
    positions = np.interp(sources_hz, bin_frequencies_hz, np.arange(n_bins))
    shares = _spline_of_each_bin(n_bins)(positions)
    # They halve about twice a bin: after some seventy bins float32 holds them as denormal numbers,
    # which weigh nothing and take processors ten times as long.
    shares[np.abs(shares) < _NEGLIGIBLE] = 0.0
    return values @ shares.astype(values.dtype).T


@functools.cache
def _spline_of_each_bin(n_bins: int) -> CubicSpline:
    """The spline through 1 at one bin and 0 at all others, for each bin: a row at any position."""
    return CubicSpline(np.arange(n_bins), np.eye(n_bins))


def smooth_curve(points: np.ndarray, n_bins: int) -> np.ndarray:
    """A curve through evenly spaced points with horizontal tangents, ``(n_bins,)``."""
    places = np.linspace(0.0, len(points) - 1.0, n_bins)
    before = np.minimum(places.astype(int), len(points) - 2)
    share = 0.5 - 0.5 * np.cos(np.pi * (places - before))
    return points[before] * (1.0 - share) + points[before + 1] * share
