"""Models small enough to train within seconds, and the windows they are trained on.

Keras is started and imported when the first of these functions is called, not before.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from params import small_config
from recordings import music
from soundloom.common.keras_setup import start_keras
from soundloom.models.config import ModelConfig
from soundloom.pairs.windows import WindowBatches
from soundloom.spectral.codec import FrameCodec
from soundloom.training.config import TrainConfig

N_BINS = 24
N_LATENTS = 12
RATE_HZ = 22_050
History = list[dict[str, float]]


def model_config(name: str, **changes: Any) -> ModelConfig:
    """A small model of ``name``, with some keys, ``section__key``, changed."""
    wanted = {
        "model.name": name,
        "model.conditioning": ["style", "beat_clock", "bar_lags", "harmony_plan"],
        "model.lstm.units": 24,
        "model.lstm.layers": 1,
        "model.lstm.input_noise": 0.03,
        "model.latents.stack_frames": 2,
        "model.latents.n_latents": N_LATENTS,
        "model.latents.detail_units": 0,
        "model.latents.detail_epochs": 2,
        "model.backbone.units": 24,
        "model.backbone.layers": 1,
        "model.backbone.dropout": 0.0,
        "model.backbone.crop_frames": 0,
        "model.tokens.levels": 3,
        "model.tokens.codes": 16,
        "model.tokens.hidden_units": 24,
        "model.tokens.dropout": 0.0,
        "model.tokens.token_noise": 0.2,
        "model.density.components": 2,
        "model.density.hidden_units": 48,
        "model.density.dropout": 0.0,
        # Of a model that learns no turns either.
        "generate.section_seconds": 0.0,
        # The frames are few, and so are the bins of the spectrogram they are of.
        "spectrogram.n_mels": N_BINS,
        **{f"model.{key.replace('__', '.')}": value for key, value in changes.items()},
    }
    return small_config(wanted).model


def whole_config(name: str) -> ModelConfig:
    """The same with a network for the detail, whose training takes a second."""
    return model_config(name, latents__detail_units=16)


def train_config(**changes: Any) -> TrainConfig:
    """Six epochs of Adam."""
    wanted = {
        "epochs": 6,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule": "constant",
        "patience": 12,
        "seed": 0,
        **changes,
    }
    return small_config({f"train.{key}": value for key, value in wanted.items()}).train


@functools.cache
def small_codec(channels: int = 1) -> FrameCodec:
    """A codec of ``N_BINS`` bins, beside which stereo has its image."""
    changes = {"n_fft": 1024, "hop_samples": 256, "n_mels": N_BINS, "griffin_lim_iterations": 2}
    config = small_config({f"spectrogram.{key}": value for key, value in changes.items()})
    samples = music(8, RATE_HZ)
    level_range = FrameCodec.level_range(samples, config.spectrogram, RATE_HZ)
    return FrameCodec.fit([level_range], config.spectrogram, RATE_HZ, channels)


@functools.cache
def frames() -> np.ndarray:
    """Eight seconds of frames, ``(690, N_BINS)``, the same wherever they are first asked for."""
    with threadpool_limits(1):  # as in every process of the pipeline
        return small_codec().encode(music(8, RATE_HZ))


def batches(part: str, seed: int | None = None, batch_size: int = 8) -> WindowBatches:
    """Windows of 33 frames."""
    starts = {"train": range(0, 480, 8), "validation": range(4, 480, 32)}[part]
    return windows_from(starts, seed, batch_size)


def windows_from(
    starts: range, seed: int | None = None, batch_size: int = 8, window_frames: int = 32
) -> WindowBatches:
    """Windows, by default of 33 frames, that start at these."""
    index = np.array([(0, start) for start in starts], np.int32)
    return WindowBatches(
        lambda _: frames(),
        index,
        window_frames=window_frames,
        batch_size=batch_size,
        shard_windows=16,
        seed=seed,
    )


def built(config: ModelConfig | str) -> Any:
    """A model about to be trained, the same every time."""
    start_keras(0, threads=1)
    from soundloom.models.registry import build_model

    if isinstance(config, str):
        config = model_config(config)
    rate = small_codec().frames_per_second
    return build_model(config, N_BINS, rate, batches("train", seed=0))


def trained(model: Any, config: TrainConfig, **options: Any) -> tuple[Any, History]:
    """Train a model that was just built."""
    from soundloom.training.fit import train

    return train(model, batches("train", seed=0), batches("validation"), config, **options)


@functools.cache
def trained_once(name: str) -> tuple[Any, History]:
    """The whole small model of ``name`` after six epochs; no test may change it."""
    return trained(built(whole_config(name)), train_config())


def sample(model: Any, *seeds: int, temperature: float = 1.0, n_frames: int = 40) -> np.ndarray:
    """Continue the same 40 frames once for each seed."""
    prompts = np.stack([frames()[400:440]] * len(seeds))
    rngs = [np.random.default_rng(seed) for seed in seeds]
    return model.sample(prompts, n_frames, temperature=temperature, rngs=rngs)
