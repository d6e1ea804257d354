"""What continuations begin from: held-out audio of the corpus, or a file of the user's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.common.errors import SoundloomError
from soundloom.common.paths import RAW_FOLDER
from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment


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
    """A prompt's audio, ``(n_samples,)``, what really followed it where known, and where from."""

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
            f"segment has {longest}; ask for less or raise pairs.test_fraction"
        )
    spread = n_prompts < len(pool)
    n_rounds = math.ceil(n_prompts / len(pool))
    places = []
    for number in range(n_prompts):
        segment = pool[number * len(pool) // n_prompts] if spread else pool[number % len(pool)]
        round_number = 0 if spread else number // len(pool)
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


def read_held_out(
    places: Sequence[Place], clips: Mapping[str, Clip], sample_rate_hz: int
) -> list[Prompt]:
    """Read the prompts at ``places``, and what followed them, from the corpus's clips."""
    prompts = []
    for place in places:
        clip = clips[place.clip]
        samples = read_audio(RAW_FOLDER / clip.file, sample_rate_hz)
        middle = place.start_sample + place.n_samples
        prompts.append(
            Prompt(
                samples[place.start_sample : middle],
                samples[middle : middle + place.n_following] if place.n_following else None,
                clip.recording,
                clip.name,
                (clip.offset_samples + place.start_sample) / sample_rate_hz,
            )
        )
    return prompts


def read_own(path: Path, prompt_seconds: float, sample_rate_hz: int) -> Prompt:
    """Read the last ``prompt_seconds`` of an audio file: a continuation goes on from its end."""
    samples = read_audio(path, sample_rate_hz)
    start = max(len(samples) - round(prompt_seconds * sample_rate_hz), 0)
    return Prompt(samples[start:], None, path.name, None, start / sample_rate_hz)
