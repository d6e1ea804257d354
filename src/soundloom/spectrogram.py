"""Samples ⇄ frames ``(n_frames, n_bins)`` in [0, 1]: forward and inverse side by side.

Forward: STFT (centred Hann windows) → amplitude relative to a full-scale sine → mel bands, or the
STFT's own bins → dB or log → a scikit-learn scaler fitted on training audio. Inverse: the same
steps backwards, with non-negative least squares for the mel bands; phase.py finds the phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import librosa
import numpy as np
from scipy.sparse import csr_array
from sklearn.preprocessing import MinMaxScaler

from soundloom.config import SpectrogramConfig
from soundloom.errors import SoundloomError
from soundloom.phase import griffin_lim, random_phases, tonal_phases

# Amplitudes are floored at -200 dB re full scale before the logarithm: digital silence, not -inf.
_AMPLITUDE_FLOOR = 1e-10
# Multiplicative updates have settled to 1 % of their final error after this many rounds.
_NNLS_ITERATIONS = 50


def analyse(samples: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples,)`` samples → ``(n_frames, n_bins)`` float32 levels, not yet scaled.

    Levels are dB re a full-scale sine (``amplitude: db``) or ``log(1 + gain * amplitude)``.
    """
    amplitude = _stft_amplitude(samples, config)
    if config.kind == "mel":
        amplitude = amplitude @ mel_filters(config, sample_rate_hz).T
    if config.amplitude == "db":
        return 20.0 * np.log10(np.maximum(amplitude, _AMPLITUDE_FLOOR))
    return np.log1p(config.log1p_gain * amplitude)


def synthesise(
    levels: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int, n_samples: int
) -> np.ndarray:
    """Undo :func:`analyse`: levels → ``(n_samples,)`` float32 samples.

    Phases start from ``phase_start``, seeded by ``phase_seed``. Samples may exceed [-1, 1].
    """
    if config.amplitude == "db":
        amplitude = 10.0 ** (levels / 20.0)
    else:
        amplitude = np.expm1(levels) / config.log1p_gain
    amplitude = np.maximum(amplitude, 0.0).astype(np.float32)
    if config.kind == "mel":
        amplitude = _bins_from_bands(amplitude, mel_filters(config, sample_rate_hz))
    magnitudes = (amplitude / _amplitude_per_magnitude(config)).T
    rng = np.random.default_rng(config.phase_seed)
    if config.phase_start == "tones":
        phases = tonal_phases(magnitudes, config.n_fft, config.hop_samples, rng)
    else:
        phases = random_phases(magnitudes, rng)
    samples = griffin_lim(
        magnitudes,
        phases,
        config.n_fft,
        config.hop_samples,
        n_iterations=config.griffin_lim_iterations,
        momentum=config.griffin_lim_momentum,
    )
    return samples[:n_samples].astype(np.float32)


def bin_frequencies_hz(config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """Centre frequency of each bin, ``(n_bins,)`` in Hz."""
    if config.kind == "stft":
        return librosa.fft_frequencies(sr=sample_rate_hz, n_fft=config.n_fft)
    edges = librosa.mel_frequencies(config.n_mels + 2, fmin=0.0, fmax=sample_rate_hz / 2)
    return edges[1:-1]


def mel_filters(config: SpectrogramConfig, sample_rate_hz: int) -> np.ndarray:
    """``(n_mels, n_fft // 2 + 1)`` triangles (Slaney 1998), each summing to 1.

    A band is thus the weighted mean of its bins' amplitudes, on the same scale as the bins.
    """
    return librosa.filters.mel(
        sr=sample_rate_hz, n_fft=config.n_fft, n_mels=config.n_mels, norm=1
    ).astype(np.float32)


def _stft_amplitude(samples: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """``(n_frames, n_fft // 2 + 1)`` float32; a full-scale sine on a bin's centre gives 1."""
    stft = librosa.stft(samples, n_fft=config.n_fft, hop_length=config.hop_samples)
    return np.abs(stft).T.astype(np.float32) * _amplitude_per_magnitude(config)


def _amplitude_per_magnitude(config: SpectrogramConfig) -> np.float32:
    # A sine of amplitude 1 peaks at half the window's sum; a periodic Hann window sums to n_fft/2.
    return np.float32(4.0 / config.n_fft)


def _bins_from_bands(bands: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Non-negative ``bins`` with ``bins @ filters.T ≈ bands``, in the least-squares sense.

    ``bands`` (n_frames, n_mels), ``filters`` (n_mels, n_fft_bins) → (n_frames, n_fft_bins).

    Multiplicative updates (Lee & Seung 2001, Euclidean case). They start from each bin's share of
    its bands, which spreads energy evenly and so generalises better inside a band than the sparse
    solutions of an active-set solver.
    """
    # Each bin lies in two bands at most: nearly all products would be with zeros.
    to_bands = csr_array(filters)
    to_bins = csr_array(filters.T)
    share = csr_array((filters / np.maximum(filters.sum(axis=0), 1e-8)).T)
    bins = share @ bands.T + np.float32(_AMPLITUDE_FLOOR)
    numerator = to_bins @ bands.T
    for _ in range(_NNLS_ITERATIONS):
        bins *= numerator / np.maximum(to_bins @ (to_bands @ bins), 1e-20)
    return bins.T


class FrameCodec:
    """Samples ⇄ frames in [0, 1], with a scaler fitted once on training audio.

    Values outside the range seen in training are clipped, both ways.
    """

    def __init__(self, config: SpectrogramConfig, sample_rate_hz: int, scaler: MinMaxScaler):
        self.config = config
        self.sample_rate_hz = sample_rate_hz
        self._scaler = scaler

    @staticmethod
    def level_range(
        samples: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int
    ) -> np.ndarray:
        """Lowest and highest level of each bin, ``(2, n_bins)``: all :meth:`fit` needs."""
        levels = analyse(samples, config, sample_rate_hz)
        return np.stack([levels.min(axis=0), levels.max(axis=0)])

    @classmethod
    def fit(
        cls, level_ranges: Sequence[np.ndarray], config: SpectrogramConfig, sample_rate_hz: int
    ) -> FrameCodec:
        """Fit the scaler on the :meth:`level_range` of every stretch of training audio.

        The extremes of the parts are the extremes of the whole, so nothing else need be held.
        """
        extremes = np.concatenate(list(level_ranges))
        if config.amplitude == "db":
            extremes = np.maximum(extremes, extremes.max() - config.range_db)
        return cls(config, sample_rate_hz, _fit_scaler(extremes, config))

    def encode(self, samples: np.ndarray) -> np.ndarray:
        """``(n_samples,)`` → ``(n_frames, n_bins)`` float32 in [0, 1]."""
        levels = analyse(samples, self.config, self.sample_rate_hz)
        return self._scaler.transform(self._columns(levels)).reshape(levels.shape)

    def decode(self, frames: np.ndarray, n_samples: int | None = None) -> np.ndarray:
        """``(n_frames, n_bins)`` in [0, 1] → ``(n_samples,)`` float32, which may lie beyond ±1.

        ``n_samples`` is by default, and at most, all that the frames span. Raises
        :class:`SoundloomError` when the frames have another number of bins or are not finite.
        """
        if frames.ndim != 2 or frames.shape[1] != self.config.n_bins:
            raise SoundloomError(
                f"frames have shape {frames.shape}; this codec decodes (n, {self.config.n_bins})"
            )
        if not np.isfinite(frames).all():
            raise SoundloomError("frames hold NaN or infinity; they must lie in [0, 1]")
        spanned = (len(frames) - 1) * self.config.hop_samples
        if n_samples is None:
            n_samples = spanned
        if n_samples > spanned:
            raise SoundloomError(f"{len(frames)} frames span {spanned} samples, not {n_samples}")
        unit = np.clip(frames, 0.0, 1.0).astype(np.float32)
        levels = self._scaler.inverse_transform(self._columns(unit)).reshape(unit.shape)
        if self.config.amplitude == "db":
            # The scale's floor stands for "this quiet or quieter"; played at the floor's own level
            # in every bin it would be an audible hiss.
            levels = np.where(unit <= 0.0, 20.0 * np.log10(_AMPLITUDE_FLOOR), levels)
        return synthesise(levels, self.config, self.sample_rate_hz, n_samples)

    def levels(self, frames: np.ndarray) -> np.ndarray:
        """``(n_frames, n_bins)`` in [0, 1] → levels as :func:`analyse` gives them."""
        return self._scaler.inverse_transform(self._columns(frames)).reshape(frames.shape)

    def frames(self, levels: np.ndarray) -> np.ndarray:
        """Undo :meth:`levels`; values outside the range seen in training are clipped."""
        return self._scaler.transform(self._columns(levels)).reshape(levels.shape)

    def louder(self, levels: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
        """Levels of the same sound with ``gains_db`` (n_bins,) more in each bin."""
        if self.config.amplitude == "db":
            return levels + gains_db
        gained = np.expm1(levels) * 10.0 ** (gains_db / 20.0)
        return np.log1p(np.maximum(gained, 0.0))

    @property
    def bin_frequencies_hz(self) -> np.ndarray:
        """Centre of each bin, ``(n_bins,)``."""
        return bin_frequencies_hz(self.config, self.sample_rate_hz)

    @property
    def frames_per_second(self) -> float:
        """Frames in a second, never rounded."""
        return self.config.frames_per_second(self.sample_rate_hz)

    def to_json(self) -> dict[str, Any]:
        """All that :meth:`from_json` needs, in JSON types."""
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "config": self.config.model_dump(),
            "scaler_minimum": self._scaler.data_min_.tolist(),
            "scaler_maximum": self._scaler.data_max_.tolist(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FrameCodec:
        """Rebuild what :meth:`to_json` described."""
        config = SpectrogramConfig.model_validate(document["config"])
        extremes = np.array([document["scaler_minimum"], document["scaler_maximum"]], np.float32)
        return cls(config, document["sample_rate_hz"], _fit_scaler(extremes, config))

    def _columns(self, values: np.ndarray) -> np.ndarray:
        """As the scaler sees them: one column for each bin, or one for all."""
        return values.reshape(-1, 1) if self.config.scaler == "global" else values


def _fit_scaler(extremes: np.ndarray, config: SpectrogramConfig) -> MinMaxScaler:
    columns = extremes.reshape(-1, 1) if config.scaler == "global" else extremes
    return MinMaxScaler(clip=True).fit(columns.astype(np.float32))


def spectral_convergence(reference: np.ndarray, estimate: np.ndarray) -> float:
    """‖|reference| - |estimate|‖ / ‖reference‖ of two amplitude arrays of one shape; 0 is perfect.

    Source: Sturmel & Daudet 2011.
    """
    size = float(np.linalg.norm(reference))
    return float(np.linalg.norm(reference - estimate)) / max(size, 1e-12)


def round_trip_errors(samples: np.ndarray, codec: FrameCodec) -> dict[str, float]:
    """What is lost from samples to frames and back.

    ``spectral_convergence`` compares STFT amplitudes (0 is perfect), ``log_mel_error_db`` is the
    mean absolute difference of 128-band mel levels, floored at 80 dB below the loudest.
    """
    samples = samples[: (codec.config.n_frames(len(samples)) - 1) * codec.config.hop_samples]
    decoded = codec.decode(codec.encode(samples), len(samples))
    # Judged by one fixed analysis, not by the codec's own, so that codecs can be compared.
    yardstick = codec.config.model_copy(
        update={"kind": "mel", "amplitude": "db", "n_fft": 2048, "hop_samples": 512, "n_mels": 128}
    )
    levels = [analyse(audio, yardstick, codec.sample_rate_hz) for audio in (samples, decoded)]
    floor = levels[0].max() - 80.0
    difference = np.abs(np.maximum(levels[0], floor) - np.maximum(levels[1], floor))
    return {
        "spectral_convergence": spectral_convergence(
            _stft_amplitude(samples, yardstick), _stft_amplitude(decoded, yardstick)
        ),
        "log_mel_error_db": float(difference.mean()),
    }
