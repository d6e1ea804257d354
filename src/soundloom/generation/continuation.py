"""Trained model + prompt → frames → samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from soundloom.audio.samples import limited, resample
from soundloom.common.errors import SoundloomError
from soundloom.common.parallel import each
from soundloom.generation.config import GenerateConfig
from soundloom.spectral.codec import FrameCodec

if TYPE_CHECKING:  # imports Keras, which choosing a backend must come before
    from soundloom.models.base import FrameModel, Progress

# Where a continuation is joined to its prompt, the two overlap for this long.
_CROSSFADE_SECONDS = 0.03
# Peaks are kept within this, -0.2 dBFS: a sample at full scale looks clipped. Phases found anew
# add up to higher peaks than those of mastered audio, by 4 dB; were all of it scaled down for
# that, a continuation would be as much quieter than its prompt.
_LOUDEST = 0.98


@dataclass(frozen=True)
class Continuation:
    """What a model made of a prompt."""

    frames: np.ndarray
    """``(n_frames, n_bins)`` in [0, 1], at the codec's frame rate."""
    samples: np.ndarray
    """Float32 in [-1, 1] at ``generate.sample_rate_hz``, in the codec's channels."""


def prompt_frames(codec: FrameCodec, samples: np.ndarray) -> np.ndarray:
    """Frames of a prompt whose analysis windows lie within it at its end.

    Samples → ``(n_frames ≥ 1, n_bins)``. The frames after them, half a window's worth,
    would mix in the padding beyond the end. Raises :class:`SoundloomError` on a prompt shorter than
    one analysis window.
    """
    n_fft, hop = codec.config.n_fft, codec.config.hop_samples
    if len(samples) < n_fft:
        raise SoundloomError(
            f"the prompt has {len(samples)} samples; it must have at least one analysis window "
            f"({n_fft} samples, {n_fft / codec.sample_rate_hz:.3f} s)"
        )
    return codec.encode(samples)[: 1 + (len(samples) - n_fft // 2) // hop]


def continue_prompts(
    model: FrameModel,
    codec: FrameCodec,
    prompts: Sequence[np.ndarray],
    config: GenerateConfig,
    progress: Progress = iter,
) -> list[Continuation]:
    """Continue each prompt, mono or stereo at the codec's rate and all of one length.

    Each continuation has ``config.n_samples_long`` samples; see :func:`continue_frames` for seeds.
    The loop over frames runs through ``progress``, :class:`tqdm.tqdm` for one.
    """
    known = np.stack([prompt_frames(codec, prompt) for prompt in prompts])
    frames = continue_frames(model, codec, known, config, progress)
    samples = decode_all(frames, codec, config)
    return [Continuation(*pair) for pair in zip(frames, samples, strict=True)]


def why_no_sections(model: FrameModel, config: GenerateConfig) -> str:
    """What to say where sections are asked for of a model that knows none; "" elsewhere."""
    if model.has_turns or not config.section_seconds:
        return ""
    return (
        f"generate.section_seconds is {config.section_seconds}, but there will be no sections: "
        "this model has learned no turns (model.turns, with model.name: tokens or density)"
    )


def continue_frames(
    model: FrameModel,
    codec: FrameCodec,
    prompts: np.ndarray,
    config: GenerateConfig,
    progress: Progress = iter,
) -> np.ndarray:
    """Continue frames: ``(n_prompts, prompt_frames, n_bins)`` → ``(n_prompts, n_frames, n_bins)``.

    There are as many as :func:`decode` needs. Continuation ``i`` draws from its own generator,
    seeded by ``(generate.seed, i)``: it stays the same whatever ``n_samples`` asks for beside it.
    Raises :class:`SoundloomError` where weights of absurd sizes make frames that are no numbers.
    """
    frames = model.sample(
        prompts,
        codec.config.n_frames_covering(_n_source_samples(codec, config)),
        temperature=config.temperature,
        top_p=config.top_p,
        section_seconds=config.section_seconds,
        rngs=[np.random.default_rng([config.seed, number]) for number in range(len(prompts))],
        progress=progress,
    )
    if not np.isfinite(frames).all():
        raise SoundloomError(
            "the trained model draws frames that are NaN or infinite; train it anew: "
            "`dvc repro --force train`"
        )
    return frames


def decode_all(frames: np.ndarray, codec: FrameCodec, config: GenerateConfig) -> list[np.ndarray]:
    """Samples of each of ``(n_prompts, n_frames, n_bins)``, on ``config.threads`` threads."""
    return each(
        decode,
        list(frames),
        codec,
        config,
        _n_source_samples(codec, config),
        desc="phase recovery",
        unit="sample",
        jobs=config.threads,
    )


def decode(
    frames: np.ndarray, codec: FrameCodec, config: GenerateConfig, n_source: int
) -> np.ndarray:
    """Frames → ``config.n_samples_long`` samples at ``config.sample_rate_hz``."""
    samples = codec.decode(frames, n_source)
    samples = resample(samples, codec.sample_rate_hz, config.sample_rate_hz)
    return limited(samples[: config.n_samples_long], config.sample_rate_hz, _LOUDEST)


def join(prompt: np.ndarray, continuation: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Prompt, then continuation, crossfaded at equal power; both at ``sample_rate_hz``.

    Both mono or both stereo.
    """
    overlap = min(round(_CROSSFADE_SECONDS * sample_rate_hz), len(prompt), len(continuation))
    fade = np.linspace(0.0, 1.0, overlap, dtype=np.float32)
    fade = fade.reshape(-1, *[1] * (prompt.ndim - 1))
    seam = np.sqrt(1.0 - fade) * prompt[len(prompt) - overlap :]
    seam += np.sqrt(fade) * continuation[:overlap]
    parts = [prompt[: len(prompt) - overlap], seam, continuation[overlap:]]
    return limited(np.concatenate(parts), sample_rate_hz, _LOUDEST)


def _n_source_samples(codec: FrameCodec, config: GenerateConfig) -> int:
    """Samples at the codec's rate that surely resample to ``config.n_samples_long``."""
    return math.ceil(config.seconds * codec.sample_rate_hz) + 1
