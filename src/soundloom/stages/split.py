"""Stage ``split``: which audio is for training, validation and test."""

from __future__ import annotations

from soundloom.common.paths import SPLIT_FILE
from soundloom.corpus.config import HeldOutConfig, SplitConfig
from soundloom.corpus.files import read_manifest, write_split
from soundloom.corpus.split import PARTS, Part, require_lengths, split_clips
from soundloom.evaluation.config import WINDOW_SECONDS


def main() -> None:
    """Run the stage."""
    config, prompts, manifest = SplitConfig.load(), HeldOutConfig.load(), read_manifest()
    rate_hz = manifest.sample_rate_hz
    segments = split_clips(manifest.clips, config, config.guard_samples(rate_hz))
    # Or reference and generate would find out, after training.
    held_out = prompts.prompts_from
    wanted: dict[tuple[Part, str], float] = {
        ("train", "a window of evaluate"): WINDOW_SECONDS,
        (held_out, "a window of evaluate"): WINDOW_SECONDS,
        (held_out, "generate.prompt_seconds"): prompts.prompt_seconds,
    }
    require_lengths(segments, wanted, config.by, rate_hz)
    write_split(SPLIT_FILE, segments)
    seconds = {
        part: sum(segment.n_samples for segment in segments if segment.part == part) / rate_hz
        for part in PARTS
    }
    print(f"split by {config.by}: " + ", ".join(f"{s:.0f} s {part}" for part, s in seconds.items()))
