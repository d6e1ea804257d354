"""The whole of ``params.yaml``, checked at once: every section, and what holds between them.

``src/stage.py`` checks it before a stage starts, so that a wrong value anywhere stops the pipeline
before any work. It can stop a stage and do nothing else to it: stages list the sections they read
as dependencies, not this module. No output depends on ``compute``.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from soundloom.common.config import ComputeConfig
from soundloom.common.errors import SoundloomError
from soundloom.common.io import check_sums, read_json
from soundloom.common.keras_setup import check_backend, keras_backend
from soundloom.common.params import Section, with_keys
from soundloom.common.paths import BASE_FOLDER
from soundloom.common.user_files import (
    check_apart,
    check_folder,
    check_trackable,
    why_no_file,
    why_not_here,
)
from soundloom.corpus.config import SplitConfig
from soundloom.evaluation.config import WINDOW_SECONDS, EvaluateConfig
from soundloom.experiments.config import TrackConfig
from soundloom.explore.config import ExploreConfig
from soundloom.generation.config import GenerateConfig
from soundloom.ingest.config import DatasetConfig
from soundloom.models.config import GENERATOR_FILES, MODEL_FILE, ModelConfig
from soundloom.pairs.config import PairsConfig
from soundloom.spectral.config import CODEC_FILE, CodecDocument, SpectrogramConfig
from soundloom.training.config import TrainConfig

# Values in a step: principal components take a matrix of their products, here of 2 GB.
_MOST_STEP_VALUES = 16_384


class Config(Section):
    """The whole of ``params.yaml``; one field a stage, and where their work is done."""

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
    compute: ComputeConfig

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

    @property
    def _bins_key(self) -> str:
        """The key that says how many bins a frame has."""
        return f"spectrogram.{'n_mels' if self.spectrogram.kind == 'mel' else 'n_fft'}"

    def with_changes(self, changes: Mapping[str, Any], origin: str) -> Self:
        """A copy with some keys changed, ``section.key``, checked as a whole file is."""
        return self.parse(with_keys(self.model_dump(), changes), origin)

    def check_files(self) -> None:
        """Check that the user's files are there which stages will read, before they do.

        Also the folder for temporary ones. Raises :class:`SoundloomError` naming the key, or the
        variable.
        """
        if temporary := os.environ.get("TMPDIR"):
            try:
                tempfile.TemporaryFile(dir=temporary).close()
            except OSError as error:
                raise SoundloomError(
                    f"TMPDIR is {temporary!r}; it must be a folder that can be written to, or "
                    f"unset: {error.strerror}"
                ) from None
        folder, gtzan = Path(self.dataset.folder.path), Path(self.dataset.gtzan.path)
        prompt = Path(self.generate.prompt)
        if self.dataset.source == "folder":
            check_folder(folder, "dataset.folder.path")
        else:  # DVC looks at it all the same
            check_trackable(folder, "dataset.folder.path")
        if self.dataset.source == "gtzan" and self.dataset.gtzan.path:
            check_apart(gtzan, "dataset.gtzan.path")
            if not gtzan.exists():
                why = why_not_here(gtzan) or "it must be an existing zip or folder"
                raise SoundloomError(f"dataset.gtzan.path is {str(gtzan)!r}; {why}")
        if self.generate.prompt and (why := why_no_file(prompt)):
            raise SoundloomError(
                f"generate.prompt is {str(prompt)!r}: {why_not_here(prompt) or why}"
            )
        self.check_base()

    def check_packages(self) -> None:
        """Check that what ``KERAS_BACKEND`` and ``compute`` ask for is installed, and fits.

        Raises :class:`SoundloomError` naming that variable or the key.
        """
        check_backend()
        if self.compute.backend == "dask" and not find_spec("distributed"):
            raise SoundloomError(
                "compute.backend is 'dask', which is not installed: it must be 'loky', or "
                "`make scale` installs it"
            )
        backend, devices = keras_backend(), self.compute.devices
        if devices > 1 and backend != "jax":
            raise SoundloomError(
                f"compute.devices is {devices}; with KERAS_BACKEND={backend} it must be 0 or 1: "
                "batches are shared by JAX"
            )

    def check_base(self) -> None:
        """Check that training can begin from the base, where ``model.base`` asks so.

        Raises :class:`SoundloomError` naming the keys by which the two do not fit, or what of the
        base is absent or damaged.
        """
        if self.model.base == "none":
            return
        try:
            check_sums(BASE_FOLDER, GENERATOR_FILES)
        except SoundloomError as error:
            raise SoundloomError(f"{error}; `git checkout {BASE_FOLDER}` brings it back") from None
        file, frames_file = BASE_FOLDER / MODEL_FILE, BASE_FOLDER / CODEC_FILE
        base = ModelConfig.from_json(read_json(file), str(file))
        its_frames = CodecDocument.parse(read_json(frames_file), str(frames_file))
        self.model.check_begins(
            self.spectrogram.kind_of_frames(self.dataset.sample_rate_hz, self.dataset.channels),
            base,
            its_frames.config.kind_of_frames(its_frames.sample_rate_hz, its_frames.channels),
            BASE_FOLDER,
        )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.window_samples > self.dataset.min_clip_samples:
            raise ValueError(
                f"pairs.window_frames is {self.pairs.window_frames}; a window of "
                f"{self.window_samples / self.dataset.sample_rate_hz:.2f} s must fit in the "
                f"shortest clip (dataset.min_clip_seconds: {self.dataset.min_clip_seconds}; "
                f"spectrogram.hop_samples: {self.spectrogram.hop_samples} at "
                f"dataset.sample_rate_hz: {self.dataset.sample_rate_hz})"
            )
        if self.spectrogram.kind == "mel" and self.spectrogram.n_mels > self.max_mels:
            raise ValueError(
                f"spectrogram.n_mels is {self.spectrogram.n_mels}; with n_fft "
                f"{self.spectrogram.n_fft} at dataset.sample_rate_hz: "
                f"{self.dataset.sample_rate_hz} it must be at most {self.max_mels}, or the lowest "
                "bands would be empty"
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
                f"stack_frames times the bins of a frame ({latents.stack_frames * bins}; see "
                f"{self._bins_key})"
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
        if self.generate.section_seconds and not self.model.turns and self.model.name != "lstm":
            raise ValueError(
                f"generate.section_seconds is {self.generate.section_seconds}; with model.turns: 0 "
                "it must be 0: sections need turns"
            )
        if self.explore.zoom_end_sample > self.dataset.min_clip_samples:
            raise ValueError(
                f"explore.zoom_end_sample is {self.explore.zoom_end_sample}; it must lie within "
                f"the shortest clip (dataset.min_clip_seconds: {self.dataset.min_clip_samples} "
                "samples)"
            )
        if latents.stack_frames * bins > _MOST_STEP_VALUES and self.model.name != "lstm":
            raise ValueError(
                f"model.latents.stack_frames is {latents.stack_frames}; times the {bins} bins of a "
                f"frame (see {self._bins_key}) it must be at most {_MOST_STEP_VALUES}, or the "
                "principal components would not fit in memory"
            )
        if self.spectrogram.n_fft > self.dataset.min_clip_samples:
            raise ValueError(
                f"spectrogram.n_fft is {self.spectrogram.n_fft}; an analysis window must fit in "
                f"the shortest clip (dataset.min_clip_seconds: {self.dataset.min_clip_samples} "
                "samples)"
            )
        prompt_samples = round(self.generate.prompt_seconds * self.dataset.sample_rate_hz)
        if prompt_samples < self.spectrogram.n_fft:
            raise ValueError(
                f"generate.prompt_seconds is {self.generate.prompt_seconds}; {prompt_samples} "
                f"samples must be at least one analysis window (spectrogram.n_fft: "
                f"{self.spectrogram.n_fft})"
            )
        if self.generate.prompt_seconds > self.dataset.clip_seconds:
            raise ValueError(
                f"generate.prompt_seconds is {self.generate.prompt_seconds}; "
                f"it must be at most dataset.clip_seconds ({self.dataset.clip_seconds})"
            )
        return self

    @model_validator(mode="after")
    def _songs_suffice(self) -> Self:
        """Of the built-in band it is known how many songs there are, and how long they last."""
        if self.dataset.source != "builtin":
            return self
        n_tracks, seconds = self.dataset.builtin.n_tracks, self.dataset.clip_seconds
        needed = self.dataset.min_clips
        if n_tracks < needed:
            raise ValueError(
                f"dataset.builtin.n_tracks is {n_tracks}; it must be at least dataset.min_clips "
                f"({needed}), as each track is one clip"
            )
        if self.split.by != "time":
            if n_tracks < 3:
                raise ValueError(
                    f"dataset.builtin.n_tracks is {n_tracks}; with split.by: {self.split.by} it "
                    "must be at least 3, one for each part"
                )
            return self
        fractions = {
            "validation": self.split.validation_fraction, "test": self.split.test_fraction,
        }  # fmt: skip
        window_seconds = self.window_samples / self.dataset.sample_rate_hz
        wanted = {
            ("validation", "pairs.window_frames"): window_seconds,
            ("test", "pairs.window_frames"): window_seconds,
            (self.generate.prompts_from, "generate.prompt_seconds"): self.generate.prompt_seconds,
            (self.generate.prompts_from, "a window of evaluate"): WINDOW_SECONDS,
        }
        for (part, key), least in wanted.items():
            if fractions[part] * seconds < least:
                raise ValueError(
                    f"split.{part}_fraction is {fractions[part]}; with split.by: time it gives "
                    f"{fractions[part] * seconds:.2f} s of each song (dataset.clip_seconds: "
                    f"{seconds}); it must give at least {least:.2f} s ({key})"
                )
        left = seconds * (1 - sum(fractions.values())) - 3 * self.split.guard_seconds
        if left < 2 * window_seconds:
            raise ValueError(
                f"split.guard_seconds is {self.split.guard_seconds}; with split.by: time it leaves "
                f"{max(left, 0):.2f} s of each song (dataset.clip_seconds: {seconds}) to train on; "
                f"it must leave at least {2 * window_seconds:.2f} s (pairs.window_frames)"
            )
        return self

    @model_validator(mode="after")
    def _evaluation_has_windows(self) -> Self:
        """The stages reference and evaluate compare windows of real and of generated audio."""
        if self.dataset.clip_seconds < WINDOW_SECONDS:
            raise ValueError(
                f"dataset.clip_seconds is {self.dataset.clip_seconds}; it must be at least "
                f"{WINDOW_SECONDS} s, the length of the windows that evaluate.n_windows counts"
            )
        return self
