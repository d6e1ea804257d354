"""The section ``spectrogram``: samples to frames, and back."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from soundloom.common.params import SampleRate, Section


class SpectrogramConfig(Section):
    """``spectrogram``: samples to frames, and back."""

    key = "spectrogram"

    kind: Literal["mel", "stft"]
    n_fft: Annotated[int, Field(ge=64, le=16384)]
    hop_samples: Annotated[int, Field(ge=1, le=8192)]
    n_mels: Annotated[int, Field(ge=8, le=1024)]
    amplitude: Literal["db", "log1p"]
    range_db: Annotated[float, Field(ge=20, le=160)]
    log1p_gain: Annotated[float, Field(ge=1, le=1e6)]
    scaler: Literal["global", "per_bin"]
    griffin_lim_iterations: Annotated[int, Field(ge=0, le=1000)]
    n_previews: Annotated[int, Field(ge=0, le=1000)]

    @property
    def n_bins(self) -> int:
        """Values in one frame of mono."""
        return self.n_mels if self.kind == "mel" else self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Frames that ``n_samples`` samples become (centred analysis: one more than whole hops)."""
        return 1 + n_samples // self.hop_samples

    def n_frames_covering(self, n_samples: int) -> int:
        """Fewest frames that decode to at least ``n_samples`` samples."""
        return 1 + math.ceil(n_samples / self.hop_samples)

    def frames_per_second(self, sample_rate_hz: int) -> float:
        """Frame rate in Hz, never rounded."""
        return sample_rate_hz / self.hop_samples

    def kind_of_frames(self, sample_rate_hz: int, channels: int) -> dict[str, Any]:
        """Parameters, by ``section.key``, that frames must share to mean the same sounds.

        They may still differ in level, and stand for 1 what is the loudest of each corpus.
        """
        names = ("kind", "n_fft", "hop_samples", "amplitude", "range_db", "scaler")
        mels = ("n_mels",) if self.kind == "mel" else ()
        known = {f"spectrogram.{name}": getattr(self, name) for name in names + mels}
        return {"dataset.sample_rate_hz": sample_rate_hz, "dataset.channels": channels, **known}

    @model_validator(mode="after")
    def _agree(self) -> SpectrogramConfig:
        # Half the window is the longest hop at which a Hann window still overlaps to a constant.
        if self.hop_samples > self.n_fft // 2:
            raise ValueError(
                f"hop_samples is {self.hop_samples}; it must be at most half of n_fft "
                f"({self.n_fft // 2}), or the audio cannot be recovered"
            )
        if self.kind == "mel" and self.n_mels > self.n_fft // 2 + 1:
            raise ValueError(
                f"n_mels is {self.n_mels}; it must be at most n_fft/2 + 1 ({self.n_fft // 2 + 1})"
            )
        return self


CODEC_FILE = "codec.json"

# Far beyond what analysis gives of samples in [-1, 1].
Level = Annotated[float, Field(ge=-400, le=60)]


class CodecDocument(Section):
    """``codec.json``: the section as it was, and the levels that the scaler takes to 0 and 1."""

    sample_rate_hz: SampleRate
    channels: Annotated[int, Field(ge=1, le=2)] = 1
    config: SpectrogramConfig
    scaler_minimum: list[Level]
    scaler_maximum: list[Level]

    @model_validator(mode="after")
    def _fit_each_other(self) -> CodecDocument:
        n_wanted = 1 if self.config.scaler == "global" else self.config.n_bins
        for key in ("scaler_minimum", "scaler_maximum"):
            if len(getattr(self, key)) != n_wanted:
                raise ValueError(
                    f"{key} has {len(getattr(self, key))} values; with scaler: "
                    f"{self.config.scaler} it must have {n_wanted}"
                )
        ranges = zip(self.scaler_minimum, self.scaler_maximum, strict=True)
        if any(lowest > highest for lowest, highest in ranges):
            raise ValueError("scaler_minimum is more than scaler_maximum; it must be at most that")
        return self
