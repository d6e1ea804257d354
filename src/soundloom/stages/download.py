"""Stage ``download``: recordings from ``dataset.source`` → clips and manifest in ``data/raw``."""

from __future__ import annotations

import sys

from soundloom.config import DatasetConfig, load_config
from soundloom.corpus import Manifest
from soundloom.gathering import gather
from soundloom.layout import MANIFEST_FILE, RAW_FOLDER
from soundloom.sources import open_source
from soundloom.store import folder_written_aside, write_text

N_REASONS_SHOWN = 5


def main() -> None:
    """Run the stage."""
    config = load_config().dataset
    with open_source(config) as collection, folder_written_aside(RAW_FOLDER) as aside:
        manifest = gather(collection, config, aside)
        for name, text in sorted(collection.licences.items()):
            write_text(aside / "licences" / f"{name}.txt", text)
        manifest.save(aside / MANIFEST_FILE.name)
    print(summary(manifest, config))
    _show_rejected(manifest)


def summary(manifest: Manifest, config: DatasetConfig) -> str:
    """``24 clips of 30.0 s from 24 recordings (0 rejected)``."""
    clips = manifest.clips
    all_whole = all(clip.n_samples == config.clip_samples for clip in clips)
    return (
        f"{len(clips)} clips of {'' if all_whole else 'up to '}{config.clip_seconds} s from "
        f"{len({clip.recording for clip in clips})} recordings "
        f"({len(manifest.rejected)} rejected)"
    )


def _show_rejected(manifest: Manifest) -> None:
    for entry in manifest.rejected[:N_REASONS_SHOWN]:
        print(f"rejected: {entry.file}: {entry.reason}", file=sys.stderr)
    if len(manifest.rejected) > N_REASONS_SHOWN:
        n_more = len(manifest.rejected) - N_REASONS_SHOWN
        print(f"rejected: {n_more} more, all listed in {MANIFEST_FILE}", file=sys.stderr)
