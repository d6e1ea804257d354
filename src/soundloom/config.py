"""``params.yaml`` as frozen pydantic models: checked once, whole, before any work starts.

Every stage loads the whole file, so a wrong value anywhere stops the pipeline at its first stage
to run. Sizes that follow from several keys (bins, frames per second) are properties here, so that
no other module computes them anew.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from soundloom.errors import SoundloomError

PARAMS_FILE = Path("params.yaml")

GTZAN_GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Threads = Annotated[int, Field(ge=1, le=256)]
# A genre names a folder and a file prefix, so it is kept to characters safe on every system.
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


class _Section(BaseModel):
    """Frozen and strict: "32" is no number, 1 is no text, an unknown key is a spelling mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class BuiltinConfig(_Section):
    """``dataset.builtin``: the corpus the project composes and plays itself."""

    n_tracks: Annotated[int, Field(ge=1, le=1000)]
    seed: Seed


class FolderConfig(_Section):
    """``dataset.folder``: the user's own recordings."""

    path: Annotated[str, Field(min_length=1)]


class DebianConfig(_Section):
    """``dataset.debian``: freely licensed music by package name (Debian policy 5.6.1)."""

    packages: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]], Field(min_length=1)
    ]


class GtzanConfig(_Section):
    """``dataset.gtzan``: the Kaggle copy of GTZAN; an empty path asks Kaggle for it."""

    path: str


class DatasetConfig(_Section):
    """``dataset``: which recordings, and the clips they are cut into."""

    source: Literal["builtin", "folder", "debian", "gtzan"]
    genre: Label
    sample_rate_hz: Annotated[int, Field(ge=8000, le=96000)]
    clip_seconds: Annotated[float, Field(ge=1, le=600)]
    min_clip_seconds: Annotated[float, Field(ge=0.5, le=600)]
    min_clips: Annotated[int, Field(ge=1, le=100_000)]
    builtin: BuiltinConfig
    folder: FolderConfig
    debian: DebianConfig
    gtzan: GtzanConfig

    @property
    def clip_samples(self) -> int:
        """Samples in a whole clip."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def min_clip_samples(self) -> int:
        """Samples below which audio is too short to be a clip."""
        return math.ceil(self.min_clip_seconds * self.sample_rate_hz)

    @model_validator(mode="after")
    def _agree(self) -> DatasetConfig:
        if self.min_clip_seconds > self.clip_seconds:
            raise ValueError(
                f"min_clip_seconds is {self.min_clip_seconds}; "
                f"it must be at most clip_seconds ({self.clip_seconds})"
            )
        if self.source == "gtzan" and self.genre not in GTZAN_GENRES:
            raise ValueError(
                f"genre is {self.genre!r}; with source: gtzan it must be one of "
                + ", ".join(GTZAN_GENRES)
            )
        return self


class ExploreConfig(_Section):
    """``explore``: the notebook's look at the audio."""

    n_clips: Annotated[int, Field(ge=1, le=50)]
    zoom_start_sample: Annotated[int, Field(ge=0)]
    zoom_end_sample: Annotated[int, Field(ge=1)]
    rolloff_fraction: Annotated[float, Field(ge=0.01, le=0.99)]
    resample_rate_hz: Annotated[int, Field(ge=1000, le=96000)]

    @model_validator(mode="after")
    def _agree(self) -> ExploreConfig:
        if self.zoom_end_sample <= self.zoom_start_sample:
            raise ValueError(
                f"zoom_end_sample is {self.zoom_end_sample}; "
                f"it must be more than zoom_start_sample ({self.zoom_start_sample})"
            )
        return self


class SpectrogramConfig(_Section):
    """``spectrogram``: samples to frames, and back."""

    kind: Literal["mel", "stft"]
    n_fft: Annotated[int, Field(ge=64, le=16384)]
    hop_samples: Annotated[int, Field(ge=1)]
    n_mels: Annotated[int, Field(ge=8, le=1024)]
    amplitude: Literal["db", "log1p"]
    range_db: Annotated[float, Field(ge=20, le=160)]
    log1p_gain: Annotated[float, Field(ge=1, le=1e6)]
    scaler: Literal["global", "per_bin"]
    phase_start: Literal["tones", "random"]
    phase_seed: Seed
    griffin_lim_iterations: Annotated[int, Field(ge=0, le=1000)]
    griffin_lim_momentum: Annotated[float, Field(ge=0, le=1)]
    n_previews: Annotated[int, Field(ge=0, le=1000)]

    @property
    def n_bins(self) -> int:
        """Values in one frame."""
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


class PairsConfig(_Section):
    """``pairs``: frames to (context, following) windows, and the split that keeps them apart."""

    window_frames: Annotated[int, Field(ge=2, le=4096)]
    step_frames: Annotated[int, Field(ge=1)]
    skip_endings: bool
    format: Literal["npy", "tfrecord"]
    shard_windows: Annotated[int, Field(ge=1, le=1_000_000)]
    split_by: Literal["artist", "recording", "time"]
    validation_fraction: Annotated[float, Field(ge=0.01, le=0.45)]
    test_fraction: Annotated[float, Field(ge=0.01, le=0.45)]
    guard_seconds: Annotated[float, Field(ge=0, le=60)]
    split_seed: Seed


class LstmConfig(_Section):
    """``model.lstm``: the notebook's network."""

    units: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=8)]
    input_noise: Annotated[float, Field(ge=0, le=1)]


class LatentsConfig(_Section):
    """``model.latents``: what tokens and density see of the frames."""

    stack_frames: Annotated[int, Field(ge=1, le=16)]
    n_latents: Annotated[int, Field(ge=1, le=1024)]
    detail_units: Annotated[int, Field(ge=0, le=8192)]
    detail_epochs: Annotated[int, Field(ge=1, le=1000)]
    detail_gain: Annotated[float, Field(ge=0, le=4)]


class BackboneConfig(_Section):
    """``model.backbone``: the recurrent network of tokens and density."""

    units: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=8)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    style: bool
    relative: bool
    clock: bool
    recall: bool
    plan: bool
    crop_frames: Annotated[int, Field(ge=0, le=4096)]


class TokensConfig(_Section):
    """``model.tokens``: codebooks and the head that spells their codes."""

    levels: Annotated[int, Field(ge=1, le=32)]
    codes: Annotated[int, Field(ge=2, le=4096)]
    hidden_units: Annotated[int, Field(ge=1, le=4096)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    token_noise: Annotated[float, Field(ge=0, le=1)]
    label_smoothing: Annotated[float, Field(ge=0, le=0.5)]


class DensityConfig(_Section):
    """``model.density``: the head that gives each latent a mixture of Gaussians."""

    components: Annotated[int, Field(ge=1, le=64)]
    hidden_units: Annotated[int, Field(ge=1, le=8192)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    input_noise: Annotated[float, Field(ge=0, le=2)]
    emphasis: Annotated[float, Field(ge=0, le=2)]
    min_scale: Annotated[float, Field(ge=0.001, le=1)]


class ModelConfig(_Section):
    """``model``: which model, and a section for each."""

    name: Literal["lstm", "tokens", "density"]
    lstm: LstmConfig
    latents: LatentsConfig
    backbone: BackboneConfig
    tokens: TokensConfig
    density: DensityConfig


class AugmentConfig(_Section):
    """``train.augment``: how training windows are varied."""

    share: Annotated[float, Field(ge=0, le=1)]
    gain_db: Annotated[float, Field(ge=0, le=40)]
    pitch_semitones: Annotated[float, Field(ge=0, le=12)]
    time_stretch: Annotated[float, Field(ge=0, le=0.5)]
    eq_db: Annotated[float, Field(ge=0, le=40)]


class TrainConfig(_Section):
    """``train``: gradient descent."""

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    optimizer: Literal["adam", "muon"]
    learning_rate: Annotated[float, Field(ge=1e-7, le=1)]
    schedule: Literal["constant", "cosine"]
    patience: Annotated[int, Field(ge=1, le=10_000)]
    seed: Seed
    threads: Threads
    augment: AugmentConfig


class GenerateConfig(_Section):
    """``generate``: what is continued, for how long, and the files written."""

    n_samples: Annotated[int, Field(ge=1, le=100)]
    seconds: Annotated[float, Field(ge=0.1, le=3600)]
    prompt: str
    prompts_from: Literal["validation", "test"]
    prompt_seconds: Annotated[float, Field(ge=0.1, le=60)]
    temperature: Annotated[float, Field(ge=0, le=2)]
    top_p: Annotated[float, Field(ge=0.01, le=1)]
    seed: Seed
    sample_rate_hz: Annotated[int, Field(ge=8000, le=192_000)]
    channels: Annotated[int, Field(ge=1, le=2)]
    threads: Threads

    @property
    def n_samples_long(self) -> int:
        """Sample frames in each file written."""
        return round(self.seconds * self.sample_rate_hz)


class EvaluateConfig(_Section):
    """``evaluate``: generated audio, real audio and controls, measured alike."""

    n_windows: Annotated[int, Field(ge=10, le=100_000)]
    n_resamples: Annotated[int, Field(ge=10, le=100_000)]
    n_pairs: Annotated[int, Field(ge=0, le=100)]
    seed: Seed
    threads: Threads


class TrackConfig(_Section):
    """``track``: where MLflow keeps the runs."""

    experiment: Annotated[str, Field(min_length=1, max_length=200)]


class Config(_Section):
    """The whole of ``params.yaml``; one field a stage."""

    dataset: DatasetConfig
    explore: ExploreConfig
    spectrogram: SpectrogramConfig
    pairs: PairsConfig
    model: ModelConfig
    train: TrainConfig
    generate: GenerateConfig
    evaluate: EvaluateConfig
    track: TrackConfig

    @property
    def frames_per_second(self) -> float:
        """Frame rate in Hz."""
        return self.spectrogram.frames_per_second(self.dataset.sample_rate_hz)

    @property
    def window_samples(self) -> int:
        """Samples that a context and the frame after it span."""
        return self.pairs.window_frames * self.spectrogram.hop_samples

    @property
    def guard_samples(self) -> int:
        """Samples left unused on each side of a cut in time."""
        return math.ceil(self.pairs.guard_seconds * self.dataset.sample_rate_hz)

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

    def with_changes(self, changes: Mapping[str, Any], origin: str) -> Config:
        """A copy with some keys changed, ``section.key``, checked as a whole file is."""
        return parse_config(with_keys(self.model_dump(), changes), origin)

    @model_validator(mode="after")
    def _agree(self) -> Config:
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
        if self.pairs.split_by == "time" and self.guard_samples < self.spectrogram.n_fft:
            raise ValueError(
                f"pairs.guard_seconds is {self.pairs.guard_seconds}; with split_by: time it must "
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


def load_config(path: Path = PARAMS_FILE) -> Config:
    """Read and check ``path``.

    Raises :class:`SoundloomError` naming the file, the key, the value and what is allowed.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SoundloomError(f"{path}: no such file; run from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SoundloomError(f"{path}: not valid YAML: {error}") from None
    return parse_config(document, str(path))


def parse_config(document: Any, origin: str = "params.yaml") -> Config:
    """Check an already parsed document; ``origin`` is the file named in errors."""
    if not isinstance(document, dict):
        raise SoundloomError(
            f"{origin}: it must hold the sections {', '.join(Config.model_fields)}"
        )
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise SoundloomError(f"{origin}: {_explain(error)}") from None


def with_keys(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a parsed params.yaml with some keys, ``section.key``, set to other values."""
    changed = copy.deepcopy(dict(document))
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return changed


def _explain(error: ValidationError) -> str:
    """All faults of a document in one line, each as key, value and what is allowed."""
    return "; ".join(_explain_one(fault) for fault in error.errors())


def _explain_one(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} is not a known key"
        case "value_error":  # ours: already names key, value and range within its section
            return f"{key}.{message}" if key else message
        case _:
            allowed = re.sub(r"^\w+ should", "it must", message)
            return f"{key} is {fault['input']!r}; {allowed}"
