"""Samples ⇄ frames ``(n_frames, n_bins)`` in [0, 1]: forward and inverse side by side.

Forward: the levels that ``spectrogram`` analyses → a min-max scaler fitted on training audio.
Inverse: the same steps backwards. Frames of stereo go on with the stereo image.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError
from soundloom.spectral.config import CodecDocument, SpectrogramConfig
from soundloom.spectral.scaling import LevelScaler
from soundloom.spectral.spectrogram import AMPLITUDE_FLOOR, analyse, bin_frequencies_hz, synthesise
from soundloom.spectral.stereo import N_VALUES, spread, stereo_image

# What frames are kept as: it has 11 bits, steps of 0.04 dB over a range of 80 dB, at half the size
# of float32.
FRAMES_DTYPE = np.float16


class FrameCodec:
    """Samples ⇄ frames in [0, 1], with a scaler fitted once on training audio.

    Values outside the range seen in training are clipped, both ways. With ``channels`` 1 samples
    are ``(n_samples,)``, with 2 ``(n_samples, 2)``; :meth:`encode` takes either for the other.
    """

    def __init__(
        self,
        config: SpectrogramConfig,
        sample_rate_hz: int,
        scaler: LevelScaler,
        channels: int = 1,
    ):
        self.config = config
        self.sample_rate_hz = sample_rate_hz
        self.channels = channels
        self._scaler = scaler

    @staticmethod
    def level_range(
        samples: np.ndarray, config: SpectrogramConfig, sample_rate_hz: int
    ) -> np.ndarray:
        """Lowest and highest level of each of the mid's bins, ``(2, …)``: all :meth:`fit` needs."""
        return range_of(analyse(in_channels(samples, 1), config, sample_rate_hz))

    @classmethod
    def fit(
        cls,
        level_ranges: Iterable[np.ndarray],
        config: SpectrogramConfig,
        sample_rate_hz: int,
        channels: int = 1,
    ) -> FrameCodec:
        """Fit the scaler on the :meth:`level_range` of every segment of training audio.

        The extremes of the parts are the extremes of the whole, so nothing else is held.
        """
        extremes = reduce(_wider, level_ranges)
        if config.amplitude == "db":
            extremes = np.maximum(extremes, extremes.max() - config.range_db)
        scaler = LevelScaler.fit(extremes, per_bin=config.scaler == "per_bin")
        return cls(config, sample_rate_hz, scaler, channels)

    @property
    def n_bins(self) -> int:
        """Values in one frame: the bins of the mid, then those of the stereo image if any."""
        return self.config.n_bins + (N_VALUES if self.channels == 2 else 0)

    @property
    def mono(self) -> FrameCodec:
        """What this codec is to the mid."""
        return FrameCodec(self.config, self.sample_rate_hz, self._scaler)

    def mid(self, frames: np.ndarray) -> np.ndarray:
        """Of ``(…, n_bins)`` what is of the mid, which is all of mono."""
        return frames[..., : self.config.n_bins]

    def image(self, frames: np.ndarray) -> np.ndarray:
        """Of ``(…, n_bins)`` what is not of the mid: the stereo image, nothing of mono."""
        return frames[..., self.config.n_bins :]

    def encode(self, samples: np.ndarray) -> np.ndarray:
        """Samples → ``(n_frames, n_bins)`` float32 in [0, 1]."""
        frames = self.frames(analyse(in_channels(samples, 1), self.config, self.sample_rate_hz))
        if self.channels == 1:
            return frames
        image = stereo_image(in_channels(samples, 2), self.config, self.sample_rate_hz)
        return np.concatenate([frames, image], axis=1)

    def decode(self, frames: np.ndarray, n_samples: int | None = None) -> np.ndarray:
        """``(n_frames, n_bins)`` in [0, 1] → samples in float32, which may lie beyond ±1.

        ``n_samples`` is by default, and at most, all that the frames span. Raises
        :class:`SoundloomError` when the frames have another number of bins or are not finite.
        """
        if frames.ndim != 2 or frames.shape[1] != self.n_bins:
            raise SoundloomError(
                f"frames have shape {frames.shape}; this codec decodes (n, {self.n_bins})"
            )
        if not np.isfinite(frames).all():
            raise SoundloomError("frames hold NaN or infinity; they must lie in [0, 1]")
        spanned = (len(frames) - 1) * self.config.hop_samples
        if n_samples is None:
            n_samples = spanned
        if n_samples > spanned:
            raise SoundloomError(f"{len(frames)} frames span {spanned} samples, not {n_samples}")
        all_of_it = np.clip(frames, 0.0, 1.0).astype(np.float32)
        unit = self.mid(all_of_it)
        levels = self._scaler.levels(unit)
        if self.config.amplitude == "db":
            # The scale's floor stands for "this quiet or quieter"; played at the floor's own level
            # in every bin it would be an audible hiss.
            levels = np.where(unit <= 0.0, 20.0 * np.log10(AMPLITUDE_FLOOR), levels)
        mid = synthesise(levels, self.config, self.sample_rate_hz, n_samples)
        if self.channels == 1:
            return mid
        return spread(mid, self.image(all_of_it), self.config, self.sample_rate_hz)

    def levels(self, frames: np.ndarray) -> np.ndarray:
        """The mid of ``(n_frames, …)`` in [0, 1] → levels as :func:`analyse` gives them."""
        return self._scaler.levels(frames)

    def frames(self, levels: np.ndarray) -> np.ndarray:
        """Undo :meth:`levels`; values outside the range seen in training are clipped."""
        return self._scaler.unit(levels)

    def louder(self, levels: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
        """Levels of the same sound with ``gains_db`` (n_bins,) more in each bin."""
        if self.config.amplitude == "db":
            return levels + gains_db
        gained = np.expm1(levels) * 10.0 ** (gains_db / 20.0)
        return np.log1p(np.maximum(gained, 0.0))

    def kind_of_frames(self) -> dict[str, Any]:
        """See :meth:`SpectrogramConfig.kind_of_frames`."""
        return self.config.kind_of_frames(self.sample_rate_hz, self.channels)

    @property
    def bin_frequencies_hz(self) -> np.ndarray:
        """Centre of each bin of the mid."""
        return bin_frequencies_hz(self.config, self.sample_rate_hz)

    @property
    def frames_per_second(self) -> float:
        """Frames in a second, never rounded."""
        return self.config.frames_per_second(self.sample_rate_hz)

    def to_json(self) -> dict[str, Any]:
        """All that :meth:`from_json` needs, in JSON types."""
        stereo = {"channels": self.channels} if self.channels > 1 else {}
        return {
            "sample_rate_hz": self.sample_rate_hz,
            **stereo,
            "config": self.config.model_dump(),
            "scaler_minimum": self._scaler.lowest.tolist(),
            "scaler_maximum": self._scaler.highest.tolist(),
        }

    @classmethod
    def from_json(cls, document: Any, origin: str = "codec") -> FrameCodec:
        """Rebuild what :meth:`to_json` described.

        Raises :class:`SoundloomError` where it is no codec's; ``origin`` names the file in it.
        """
        known = CodecDocument.parse(document, origin)
        extremes = (known.scaler_minimum, known.scaler_maximum)
        scaler = LevelScaler(*(np.array(levels, np.float32) for levels in extremes))
        return cls(known.config, known.sample_rate_hz, scaler, known.channels)


def range_of(levels: np.ndarray) -> np.ndarray:
    """Lowest and highest of each bin of ``(n_frames, n_bins)``: ``(2, n_bins)``."""
    return np.stack([levels.min(axis=0), levels.max(axis=0)])


def _wider(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The level range ``(2, n_bins)`` of both."""
    return np.stack([np.minimum(one[0], other[0]), np.maximum(one[1], other[1])])
