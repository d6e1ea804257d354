"""Stage ``split``: which audio is for training, validation and test."""

from __future__ import annotations

from soundloom.common.paths import SPLIT_FILE
from soundloom.corpus.config import SplitConfig
from soundloom.corpus.files import read_manifest, write_split
from soundloom.corpus.split import PARTS, split_clips


def main() -> None:
    """Run the stage."""
    config, manifest = SplitConfig.load(), read_manifest()
    rate_hz = manifest.sample_rate_hz
    segments = split_clips(manifest.clips, config, config.guard_samples(rate_hz))
    write_split(SPLIT_FILE, segments)
    seconds = {
        part: sum(segment.n_samples for segment in segments if segment.part == part) / rate_hz
        for part in PARTS
    }
    print(f"split by {config.by}: " + ", ".join(f"{s:.0f} s {part}" for part, s in seconds.items()))
