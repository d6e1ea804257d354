"""What continuations begin from: places in held-out audio, or the end of a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundloom.audio.samples import is_silent
from soundloom.audio.stored import Samples
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.common.evenly import evenly_spaced
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment
from soundloom.generation.continuation import prompt_frames
from soundloom.spectral.codec import FrameCodec

# What lies below is no sound to go on with: the drift of a constant offset spreads up to here.
_LOWEST_HZ = 100.0


@dataclass(frozen=True)
class Place:
    """Where in the corpus a prompt is taken: samples ``start_sample`` … of a clip."""

    clip: str
    start_sample: int
    n_samples: int
    n_following: int
    """Samples after the prompt that are held out too: what really came next."""


@dataclass(frozen=True)
class Prompt:
    """A prompt's audio, mono or stereo, what really followed it where known, and where from."""

    samples: np.ndarray
    following: np.ndarray | None
    recording: str
    clip: str | None
    offset_seconds: float


def choose_prompts(
    segments: Sequence[Segment], n_prompts: int, prompt_samples: int, wanted_samples: int
) -> list[Place]:
    """Spread ``n_prompts`` prompts evenly over the held-out segments long enough for one.

    They depend on the split alone, so that every variant continues the same prompts. Room for
    ``wanted_samples`` of what really followed is left where the segment has it.

    Raises :class:`SoundloomError` when no segment is as long as a prompt.
    """
    pool = [segment for segment in segments if segment.n_samples >= prompt_samples]
    if not pool:
        longest = max((segment.n_samples for segment in segments), default=0)
        raise SoundloomError(
            f"generate.prompt_seconds asks for {prompt_samples} samples, but the longest held-out "
            f"segment has {longest}; ask for less or raise split.test_fraction"
        )
    chosen = evenly_spaced(len(pool), n_prompts)
    n_rounds = math.ceil(n_prompts / len(pool))
    places = []
    for number in range(n_prompts):
        # With more prompts than segments, each segment is used again, further on.
        round_number, position = divmod(number, len(chosen))
        segment = pool[chosen[position]]
        spare = segment.n_samples - prompt_samples
        latest_start = spare - wanted_samples if spare > wanted_samples else spare // 2
        start = latest_start * (2 * round_number + 1) // (2 * n_rounds)
        places.append(
            Place(
                segment.clip,
                segment.start_sample + start,
                prompt_samples,
                min(spare - start, wanted_samples),
            )
        )
    return places


def held_out_prompt(place: Place, clip: Clip, samples: np.ndarray, sample_rate_hz: int) -> Prompt:
    """The prompt at ``place``, and what followed it, in the audio of its clip."""
    middle = place.start_sample + place.n_samples
    return Prompt(
        samples[place.start_sample : middle],
        samples[middle : middle + place.n_following] if place.n_following else None,
        clip.recording,
        clip.name,
        (clip.offset_samples + place.start_sample) / sample_rate_hz,
    )


def holds_nothing(samples: np.ndarray, codec: FrameCodec) -> bool:
    """Whether a prompt is silent, or no more than a click or a slow drift.

    A model finds neither tempo nor colour in a sound that fits into one analysis window, and
    follows it with near-silence, as it does silence.
    """
    if is_silent(samples):
        return True
    # A band begins where the one before it has its centre.
    bands = np.flatnonzero(codec.bin_frequencies_hz >= _LOWEST_HZ)[1:]
    heard = prompt_frames(codec, samples)[:, bands] > 0.0
    frames_of_a_click = math.ceil(codec.config.n_fft / codec.config.hop_samples)
    return int(heard.any(axis=1).sum()) <= frames_of_a_click


def prompt_from_end(
    path: Path, samples: Samples, prompt_seconds: float, codec: FrameCodec
) -> Prompt:
    """The last ``prompt_seconds`` of a recording: a continuation goes on from its end.

    ``path`` names the recording. Raises :class:`UnusableAudio` where that is shorter than one
    analysis window, or :func:`holds_nothing`.
    """
    rate_hz, n_fft = codec.sample_rate_hz, codec.config.n_fft
    start = max(len(samples) - round(prompt_seconds * rate_hz), 0)
    prompt = samples[start:]
    if len(prompt) < n_fft:
        raise UnusableAudio(
            path,
            f"the prompt is {len(prompt) / rate_hz:.3f} s long; it must have at least one "
            f"analysis window ({n_fft / rate_hz:.3f} s)",
        )
    if holds_nothing(prompt, codec):
        silent = is_silent(prompt)
        what = "are silent (a swing of less than ±0.001)" if silent else "hold no more than a click"
        raise UnusableAudio(
            path, f"its last {len(prompt) / rate_hz:.3g} s {what}; there is nothing to continue"
        )
    return Prompt(prompt, None, path.name, None, start / rate_hz)
