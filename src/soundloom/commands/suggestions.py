"""Which params suit recordings: what docs/results.md and the ▸ hints of params.yaml say, as rules.

Where two values of a key were measured, both stand here, so that what comes out depends on the
recordings alone, and not on those params.yaml was made to suit before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundloom.common.errors import SoundloomError
from soundloom.config import Config
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.corpus.split import PARTS, Part, Segment, split_clips
from soundloom.evaluation.config import WINDOW_SECONDS
from soundloom.pairs.windows import index_windows

FEW_RECORDINGS = 10
LITTLE_SECONDS = 3600.0

# The rock command's, in docs/results.md: eight songs, half an hour.
SHORT_WINDOWS: dict[str, Any] = {
    "dataset.min_clip_seconds": 6.0,
    "pairs.window_frames": 512,
    "pairs.step_frames": 256,
}
LITTLE_AUDIO: dict[str, Any] = {"model.latents.detail_epochs": 8}
# Those of docs/base.md.
LONG_WINDOWS: dict[str, Any] = {
    "dataset.min_clip_seconds": 15.0,
    "pairs.window_frames": 1024,
    "pairs.step_frames": 512,
}
MUCH_AUDIO: dict[str, Any] = {"model.latents.detail_epochs": 3}
# Real music is better learnt from the base on, whose shape the first of these are.
FROM_THE_BASE: dict[str, Any] = {
    "model.base": "pretrained",
    "model.conditioning": ["style", "beat_clock", "harmony_plan"],
    "model.latents.n_latents": 64,
    "model.texture.units": 256,
    "model.backbone.units": 384,
    "model.density.hidden_units": 768,
    "model.backbone.crop_frames": 0,
    "model.backbone.dropout": 0.15,
    "train.augment.share": 0.3,
    "train.patience": 12,
}
# Where frames are not of the base's kind, as of stereo or at another rate.
FROM_NOTHING: dict[str, Any] = {
    "model.base": "none",
    "model.conditioning": ["style", "beat_clock", "harmony_plan"],
    "model.latents.n_latents": 24,
    "model.texture.units": 0,
    "model.backbone.units": 320,
    "model.density.hidden_units": 512,
    "model.backbone.crop_frames": 0,
    "model.backbone.dropout": 0.25,
    "train.augment.share": 0.8,
    "train.patience": 60,
}

# Of half an hour 14 epochs from the base on, 45 from nothing; of more audio as many steps.
_MOST_EPOCHS, _FEWEST_EPOCHS = {True: 14, False: 45}, {True: 5, False: 18}
_MOST_EPOCHS_SECONDS = 1800.0

# The longest that fits: up to 20 s they keep key and tempo more often.
PROMPT_SECONDS = {"long": (20.0, 15.0, 10.0, 6.0, 3.0), "short": (15.0, 10.0, 6.0, 3.0)}

# Less than this share lost is worth longer windows.
_MOST_LOST = 0.25


@dataclass(frozen=True)
class Suggestion:
    """What to set in params.yaml, ``{"section.key": value}``, and what follows from it."""

    changes: Mapping[str, Any]
    config: Config
    seconds: Mapping[Part, float]
    """Of audio in each part."""
    n_frames: int
    """That the model is trained on, all epochs together."""


def label_of(name: str) -> str:
    """A genre label from a folder's name: ``Motörhead (live)`` gives ``motorhead-live``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:64].strip("-") or "music"


def suggest(manifest: Manifest, config: Config, *, from_base: bool) -> Suggestion:
    """The params for clips that were cut with ``SHORT_WINDOWS``; ``config`` is changed by them.

    Of the splits and windows that come into question it takes the first that leaves every part a
    window, and half of the held-out recordings a prompt with ``WINDOW_SECONDS`` after it. Training
    may begin ``from_base``.

    Raises :class:`SoundloomError` where there is too little audio for any.
    """
    for by, length in _ways(manifest):
        windows = SHORT_WINDOWS if length == "short" else LONG_WINDOWS
        clips = [
            clip
            for clip in manifest.clips
            if clip.n_samples >= windows["dataset.min_clip_seconds"] * manifest.sample_rate_hz
        ]
        if _seconds(clips, manifest) < (1 - _MOST_LOST) * _seconds(manifest.clips, manifest):
            continue
        little = _seconds(clips, manifest) < LITTLE_SECONDS
        most, fewest = _MOST_EPOCHS[from_base], _FEWEST_EPOCHS[from_base]
        epochs = most * _MOST_EPOCHS_SECONDS / max(_seconds(clips, manifest), 1.0)
        changes = {
            "split.by": by,
            **windows,
            **(LITTLE_AUDIO if little else MUCH_AUDIO),
            **(FROM_THE_BASE if from_base else FROM_NOTHING),
            "train.epochs": round(min(max(epochs, fewest), most)),
        }
        for prompt_seconds in PROMPT_SECONDS[length]:
            changes["generate.prompt_seconds"] = prompt_seconds
            suited = config.with_changes(changes, "params.yaml")
            if suggestion := _what_follows(changes, suited, clips):
                return suggestion
    raise SoundloomError(
        f"{_seconds(manifest.clips, manifest):.0f} s of usable audio in "
        f"{len(_recordings(manifest.clips))} recordings are too little: training, validation and "
        "test must each have a window of 6 s; ten recordings of half a minute would do"
    )


def _ways(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Splits and lengths of windows, the best first."""
    recordings = _recordings(manifest.clips)
    few = len(recordings) < FEW_RECORDINGS
    little = _seconds(manifest.clips, manifest) < LITTLE_SECONDS
    artists = {clip.artist for clip in manifest.clips}
    by_artist = None not in artists and FEW_RECORDINGS <= len(artists) < len(recordings)
    splits = ["time", "recording"] if few else ["recording", "time"]
    for by in ["artist"] * by_artist + splits:
        yield from ((by, length) for length in ("short", "long")[:: 1 if few and little else -1])


def _what_follows(
    changes: Mapping[str, Any], config: Config, clips: Sequence[Clip]
) -> Suggestion | None:
    """None where the split, the windows or the prompts do not fit."""
    rate_hz = config.dataset.sample_rate_hz
    try:
        segments = split_clips(clips, config.split, config.split.guard_samples(rate_hz))
    except SoundloomError:
        return None
    names, hop_samples = [clip.name for clip in clips], config.spectrogram.hop_samples
    n_windows = {
        part: len(index_windows(segments, part, names, hop_samples, config.pairs)) for part in PARTS
    }
    held_out = [one for one in segments if one.part == config.generate.prompts_from]
    if not all(n_windows.values()) or not _prompts_fit(held_out, clips, config):
        return None
    window_frames, crop = config.pairs.window_frames, config.model.backbone.crop_frames
    return Suggestion(
        dict(changes),
        config,
        {part: sum(s.n_samples for s in segments if s.part == part) / rate_hz for part in PARTS},
        n_windows["train"] * (crop or window_frames) * config.train.epochs,
    )


def _prompts_fit(segments: Sequence[Segment], clips: Sequence[Clip], config: Config) -> bool:
    """Whether half of the held-out recordings have a prompt, and audio that really followed it."""
    recording_of = {clip.name: clip.recording for clip in clips}
    needed = (config.generate.prompt_seconds + WINDOW_SECONDS) * config.dataset.sample_rate_hz
    enough = {recording_of[one.clip] for one in segments if one.n_samples >= needed}
    return 2 * len(enough) >= len({recording_of[one.clip] for one in segments})


def _recordings(clips: Sequence[Clip]) -> set[str]:
    return {clip.recording for clip in clips}


def _seconds(clips: Sequence[Clip], manifest: Manifest) -> float:
    return sum(clip.n_samples for clip in clips) / manifest.sample_rate_hz
