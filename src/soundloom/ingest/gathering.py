"""Recordings → clip files and the manifest that lists them; in parallel, one recording a worker.

Two kinds of recordings are left out, each listed with its reason. *Unreadable* ones (not audio, a
format nobody knows, NaN) hint at a broken download or at files to be converted: when they are
more than half, gathering stops. *Unsuited* ones (silent, too short, copies of another or of a part
of it) are common in healthy collections and never stop it by themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from soundloom.audio.containers import Tags
from soundloom.audio.files import write_audio
from soundloom.audio.stored import Samples
from soundloom.cache.files import Cache
from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.common.parallel import each_apart
from soundloom.corpus.manifest import Clip, Manifest, Note, Rejected
from soundloom.ingest.clips import audible_clips, beginnings, is_all_silent, originals
from soundloom.ingest.collection import Collection, Load, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.outcome import KnownCuts, Outcome, clip_file

# Reasons quoted in an error, which is one line long.
N_REASONS_QUOTED = 5


def gather(
    collection: Collection, config: DatasetConfig, folder: Path, known: Cache | None = None
) -> Manifest:
    """Write the clips of ``collection`` to ``folder/<genre>/<genre>.00000.wav`` ….

    Recordings are taken in order of name, so the result depends neither on the order the source
    found them in nor on the parallelism. Of recordings that share audio the longest is kept, or the
    first: nothing may be in two parts of the split. Those whose clips are ``known`` are not read.

    Raises :class:`SoundloomError` if more than half cannot be read, or if there are fewer than
    ``dataset.min_clips`` clips.
    """
    recordings = sorted(collection.recordings, key=lambda recording: recording.name)
    folder = folder.resolve()  # worker processes may have another working directory
    (folder / config.genre).mkdir(parents=True)
    cut = _cut_all(recordings, config, folder, known)
    if known:
        for outcome in cut:
            known.count(outcome.was_known)
    outcomes = _without_copies(cut, folder)
    rejected = _rejected(collection, outcomes)
    _require_readable(collection, outcomes, rejected)
    clips = _numbered([clip for outcome in outcomes for clip in outcome.clips], config, folder)
    if len(clips) < config.min_clips:
        raise SoundloomError(
            f"dataset.min_clips is {config.min_clips}, but usable clips (of at least "
            f"dataset.min_clip_seconds: {config.min_clip_seconds}) are {len(clips)}, of "
            f"{len(recordings)} recordings{_quoted(rejected)}"
        )
    notes = tuple(Note(outcome.recording, note) for outcome in outcomes for note in outcome.notes)
    return Manifest(
        config.source, config.genre, config.sample_rate_hz, clips, rejected, notes, config.channels
    )


def _cut_all(
    recordings: Sequence[Recording], config: DatasetConfig, folder: Path, known: Cache | None
) -> list[Outcome]:
    """Cut every recording, in order, behind a progress bar."""
    outcomes = each_apart(
        _cut_one,
        list(enumerate(recordings)),
        config,
        folder,
        known,
        desc=config.source,
        unit="recording",
        processes=True,
        failed=attrgetter("unreadable"),
    )
    return list(outcomes)


def _cut_one(
    numbered: tuple[int, Recording], config: DatasetConfig, folder: Path, known: Cache | None
) -> Outcome:
    """Write the clips of one recording to ``folder``, to files that its number tells apart."""
    position, recording = numbered
    prefix, cuts = f"{config.genre}/{position:06d}", None
    if known and recording.made_of:
        with suppress(OSError):  # of which loading it says more
            cuts = KnownCuts(known, recording.made_of, config, folder, prefix)
    try:
        outcome = cuts.recall() if cuts else None
        if outcome is None:
            outcome = _cut(recording.load, config, folder, prefix)
            if cuts:
                cuts.keep(outcome)
    except UnusableAudio as error:
        return Outcome(recording.name, reason=error.reason, unreadable=True)
    clips = [
        replace(
            clip,
            recording=recording.name,
            artist=clip.artist or recording.artist,
            licence=recording.licence,
            truth=recording.truth,
        )
        for clip in outcome.clips
    ]
    return replace(outcome, recording=recording.name, clips=tuple(clips))


def _cut(load: Load, config: DatasetConfig, folder: Path, prefix: str) -> Outcome:
    """Load a recording and write its clips; nothing but what it sounds like and its tags counts.

    Only what was read to its end is cut, one clip after another: of hours, no more is in memory.
    """
    decoded = load(config.sample_rate_hz, config.channels)
    samples = decoded.samples
    clips, marks = list[Clip](), list[tuple[bytes, ...]]()
    for start, clip in audible_clips(samples, config.clip_samples, config.min_clip_samples):
        file = clip_file(prefix, len(clips))
        clips.append(_write_clip(clip, start, decoded.tags, config, folder, file))
        marks.append(beginnings(in_channels(clip, 1), config.min_clip_samples // 2))
    if not clips:
        reasons = [_why_no_clips(samples, config), *decoded.notes]
        return Outcome(reason="; ".join(reasons))
    return Outcome("", tuple(clips), len(samples), tuple(marks), notes=decoded.notes)


def _write_clip(
    clip: np.ndarray, start: int, tags: Tags, config: DatasetConfig, folder: Path, file: str
) -> Clip:
    """Write what of a recording begins at ``start`` to ``folder/file``."""
    write_audio(folder / file, clip, config.sample_rate_hz)
    return Clip(
        file=file,
        recording="",
        offset_samples=start,
        n_samples=len(clip),
        artist=tags.artist,
        title=tags.title,
        licence=None,
        sha256=hashlib.sha256((folder / file).read_bytes()).hexdigest(),
    )


def _why_no_clips(samples: Samples, config: DatasetConfig) -> str:
    if is_all_silent(samples, config.clip_samples):
        return "silent"
    if len(samples) < config.min_clip_samples:
        return (
            f"{len(samples) / config.sample_rate_hz:.2f} s long; it must be at least "
            f"dataset.min_clip_seconds ({config.min_clip_seconds} s)"
        )
    return "silent but for a remainder too short for a clip"


def _without_copies(outcomes: Sequence[Outcome], folder: Path) -> list[Outcome]:
    """Turn all but one of recordings that share audio into rejections, and delete their clips."""
    lengths = [outcome.n_samples for outcome in outcomes]
    kept = originals(lengths, [outcome.beginnings for outcome in outcomes])
    unique = []
    for outcome, original in zip(outcomes, (outcomes[position] for position in kept), strict=True):
        if original is outcome:
            unique.append(outcome)
            continue
        for clip in outcome.clips:
            (folder / clip.file).unlink()
        is_whole = _digests(outcome) == _digests(original)
        what = "exact replica of" if is_whole else "shares audio with"
        unique.append(Outcome(outcome.recording, reason=f"{what} {original.recording}"))
    return unique


def _digests(outcome: Outcome) -> list[str]:
    return [clip.sha256 for clip in outcome.clips]


def _numbered(clips: Sequence[Clip], config: DatasetConfig, folder: Path) -> tuple[Clip, ...]:
    """Give the clips, and their files, the numbers they keep."""
    numbered = []
    for number, clip in enumerate(clips):
        file = f"{config.genre}/{config.genre}.{number:05d}.wav"
        (folder / clip.file).rename(folder / file)
        numbered.append(replace(clip, file=file))
    return tuple(numbered)


def _rejected(collection: Collection, outcomes: Sequence[Outcome]) -> tuple[Rejected, ...]:
    """Everything left out, by the source or here, in order of name."""
    unused = [Rejected(outcome.recording, outcome.reason) for outcome in outcomes if outcome.reason]
    entries = [*collection.rejected, *collection.left_out, *unused]
    return tuple(sorted(entries, key=lambda entry: entry.file))


def _require_readable(
    collection: Collection, outcomes: Sequence[Outcome], rejected: Sequence[Rejected]
) -> None:
    """Raise :class:`SoundloomError` if more than half of what was offered cannot be read."""
    n_unreadable = len(collection.rejected) + sum(outcome.unreadable for outcome in outcomes)
    n_all = len(collection.rejected) + len(outcomes)
    if n_unreadable > n_all / 2:
        raise SoundloomError(
            f"{n_unreadable} of {n_all} recordings cannot be read; more than half is too many to "
            f"go on: mend, convert or remove them{_quoted(rejected)}"
        )


def _quoted(rejected: Sequence[Rejected]) -> str:
    """The first reasons, to end an error with."""
    if not rejected:
        return ""
    reasons = "; ".join(f"{entry.file}: {entry.reason}" for entry in rejected[:N_REASONS_QUOTED])
    more = len(rejected) - N_REASONS_QUOTED
    return f". Left out: {reasons}" + (f"; and {more} more" if more > 0 else "")
