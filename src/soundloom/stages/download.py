"""Stage ``download``: recordings from ``dataset.source`` → clips and manifest in ``data/raw``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from soundloom.common.io import folder_written_aside, write_text
from soundloom.common.paths import MANIFEST_FILE, RAW_FOLDER
from soundloom.corpus.files import write_manifest
from soundloom.corpus.manifest import Manifest
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.gathering import gather
from soundloom.ingest.outcome import cut_before
from soundloom.ingest.sources import open_source

N_SHOWN = 5


def main() -> None:
    """Run the stage."""
    config = DatasetConfig.load()
    with (
        open_source(config) as collection,
        cut_before() as known,
        folder_written_aside(RAW_FOLDER) as aside,
    ):
        manifest = gather(collection, config, aside, known)
        for name, text in sorted(collection.licences.items()):
            write_text(aside / "licences" / f"{name}.txt", text)
        write_manifest(aside / MANIFEST_FILE.name, manifest)
    print(summary(manifest, config))
    if tally := known.tally("recordings", "read"):
        print(tally)
    show("rejected", [f"{entry.file}: {entry.reason}" for entry in manifest.rejected])
    show("noted", [f"{entry.recording}: {entry.note}" for entry in manifest.notes])


def summary(manifest: Manifest, config: DatasetConfig) -> str:
    """``24 clips of 30.0 s from 24 recordings (0 rejected)``."""
    clips = manifest.clips
    all_whole = all(clip.n_samples == config.clip_samples for clip in clips)
    return (
        f"{len(clips)} clips of {'' if all_whole else 'up to '}{config.clip_seconds} s from "
        f"{len({clip.recording for clip in clips})} recordings "
        f"({len(manifest.rejected)} rejected)"
    )


def show(what: str, lines: Sequence[str], n_shown: int = N_SHOWN) -> None:
    """Print the first ``n_shown`` lines on standard error, each after ``what``."""
    for line in lines[:n_shown]:
        # Names are other people's: a newline in one, or a terminal's command, is shown, not obeyed.
        visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        print(f"{what}: {visible}", file=sys.stderr)
    if (n_more := len(lines) - n_shown) > 0:
        print(f"{what}: {n_more} more; `download` lists all in {MANIFEST_FILE}", file=sys.stderr)
