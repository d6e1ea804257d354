"""The corpus's own files: ``data/raw/manifest.json`` and ``data/split.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from soundloom.common.io import read_json, write_json
from soundloom.common.paths import MANIFEST_FILE, SPLIT_FILE
from soundloom.corpus.manifest import Clip, Manifest, Note, Rejected
from soundloom.corpus.split import Part, Segment


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the corpus's table of contents as JSON."""
    document = asdict(manifest)
    for clip in document["clips"]:
        if clip["title"] is None:  # as most sources know none
            del clip["title"]
    if manifest.channels == 1:
        del document["channels"]
    write_json(path, document)


def read_manifest(path: Path = MANIFEST_FILE) -> Manifest:
    """Read what :func:`write_manifest` wrote."""
    document = read_json(path)
    document["clips"] = tuple(Clip(**clip) for clip in document["clips"])
    document["rejected"] = tuple(Rejected(**entry) for entry in document["rejected"])
    document["notes"] = tuple(Note(**entry) for entry in document.get("notes", ()))
    return Manifest(**document)


def write_split(path: Path, segments: Sequence[Segment]) -> None:
    """Write a split as JSON."""
    write_json(path, [asdict(segment) for segment in segments])


def read_split(path: Path = SPLIT_FILE) -> list[Segment]:
    """Read what :func:`write_split` wrote."""
    return [Segment(**entry) for entry in read_json(path)]


def read_part(part: Part) -> list[Segment]:
    """The segments of one part of the split."""
    return [segment for segment in read_split() if segment.part == part]
