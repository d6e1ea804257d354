"""The whole of ``params.yaml``, checked at once: every section, and what holds between them.

``src/stage.py`` checks it before a stage starts, so that a wrong value anywhere stops the pipeline
before any work. It can stop a stage and do nothing else to it: stages list the sections they read
as dependencies, not this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from soundloom.common.params import Section, with_keys
from soundloom.corpus.config import SplitConfig
from soundloom.evaluation.config import EvaluateConfig
from soundloom.experiments.config import TrackConfig
from soundloom.explore.config import ExploreConfig
from soundloom.generation.config import GenerateConfig
from soundloom.ingest.config import DatasetConfig
from soundloom.models.config import ModelConfig
from soundloom.pairs.config import PairsConfig
from soundloom.spectral.config import SpectrogramConfig
from soundloom.training.config import TrainConfig


class Config(Section):
    """The whole of ``params.yaml``; one field a stage."""

    dataset: DatasetConfig
    explore: ExploreConfig
    split: SplitConfig
    spectrogram: SpectrogramConfig
    pairs: PairsConfig
    model: ModelConfig
    train: TrainConfig
    generate: GenerateConfig
    evaluate: EvaluateConfig
    track: TrackConfig

    @property
    def window_samples(self) -> int:
        """Samples that a context and the frame after it span."""
        return self.pairs.window_frames * self.spectrogram.hop_samples

    @property
    def max_mels(self) -> int:
        """Most mel bands that surely hold a bin of the STFT each.

        Bands are narrowest below 1 kHz, where Slaney's mel scale has one mel every 200/3 Hz; a band
        spans two steps, which must exceed the spacing of the bins.
        """
        top_hz = self.dataset.sample_rate_hz / 2
        top_mel = 15 + 27 * math.log(top_hz / 1000) / math.log(6.4)
        bin_hz = self.dataset.sample_rate_hz / self.spectrogram.n_fft
        return math.ceil(2 * (200 / 3) * top_mel / bin_hz) - 2

    def with_changes(self, changes: Mapping[str, Any], origin: str) -> Self:
        """A copy with some keys changed, ``section.key``, checked as a whole file is."""
        return self.parse(with_keys(self.model_dump(), changes), origin)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.window_samples > self.dataset.min_clip_samples:
            raise ValueError(
                f"pairs.window_frames is {self.pairs.window_frames}; a window of "
                f"{self.window_samples / self.dataset.sample_rate_hz:.2f} s must fit in the "
                f"shortest clip (dataset.min_clip_seconds: {self.dataset.min_clip_seconds})"
            )
        if self.spectrogram.kind == "mel" and self.spectrogram.n_mels > self.max_mels:
            raise ValueError(
                f"spectrogram.n_mels is {self.spectrogram.n_mels}; with n_fft "
                f"{self.spectrogram.n_fft} at {self.dataset.sample_rate_hz} Hz it must be at most "
                f"{self.max_mels}, or the lowest bands would be empty"
            )
        guard_samples = self.split.guard_samples(self.dataset.sample_rate_hz)
        if self.split.by == "time" and guard_samples < self.spectrogram.n_fft:
            raise ValueError(
                f"split.guard_seconds is {self.split.guard_seconds}; with split.by: time it must "
                f"cover one analysis window (spectrogram.n_fft: "
                f"{self.spectrogram.n_fft / self.dataset.sample_rate_hz:.3f} s)"
            )
        latents, bins = self.model.latents, self.spectrogram.n_bins
        if latents.n_latents > latents.stack_frames * bins:
            raise ValueError(
                f"model.latents.n_latents is {latents.n_latents}; it must be at most "
                f"stack_frames times the bins of a frame ({latents.stack_frames * bins})"
            )
        if self.model.name != "lstm" and self.pairs.window_frames < 4 * latents.stack_frames:
            raise ValueError(
                f"pairs.window_frames is {self.pairs.window_frames}; with model.name: "
                f"{self.model.name} it must be at least four steps of "
                f"model.latents.stack_frames ({4 * latents.stack_frames})"
            )
        crop = self.model.backbone.crop_frames
        if 0 < crop < 4 * latents.stack_frames:
            raise ValueError(
                f"model.backbone.crop_frames is {crop}; it must be 0 (all of a window) or at least "
                f"four steps of model.latents.stack_frames ({4 * latents.stack_frames})"
            )
        if self.explore.zoom_end_sample > self.dataset.min_clip_samples:
            raise ValueError(
                f"explore.zoom_end_sample is {self.explore.zoom_end_sample}; it must lie within "
                f"the shortest clip ({self.dataset.min_clip_samples} samples)"
            )
        if self.generate.prompt_seconds > self.dataset.clip_seconds:
            raise ValueError(
                f"generate.prompt_seconds is {self.generate.prompt_seconds}; "
                f"it must be at most dataset.clip_seconds ({self.dataset.clip_seconds})"
            )
        return self
