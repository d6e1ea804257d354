"""Stage ``pairs``: index the (context, following) windows of each part."""

from __future__ import annotations

import numpy as np

from soundloom.batches import open_batches, write_shards
from soundloom.config import load_config
from soundloom.corpus import Manifest
from soundloom.endings import without_endings
from soundloom.layout import FRAMES_FOLDER, PAIRS_FOLDER
from soundloom.split import PARTS, load_split
from soundloom.store import FrameFolder, PairsFolder, folder_written_aside, read_json
from soundloom.windows import index_windows


def main() -> None:
    """Run the stage."""
    config = load_config().pairs
    frames, manifest = FrameFolder(FRAMES_FOLDER), Manifest.load()
    stretches = load_split(frames.split_file)
    hop_samples = read_json(frames.codec_file)["config"]["hop_samples"]
    names = [clip.name for clip in manifest.clips]
    if config.skip_endings:
        stretches = without_endings(
            stretches, manifest.clips, frames.read, hop_samples, manifest.sample_rate_hz
        )
    indices: dict[str, np.ndarray] = {
        part: index_windows(stretches, part, names, hop_samples, config) for part in PARTS
    }
    with folder_written_aside(PAIRS_FOLDER) as aside:
        pairs = PairsFolder(aside)
        pairs.write(
            names,
            indices,
            window_frames=config.window_frames,
            shard_windows=config.shard_windows,
            format=config.format,
        )
        for part in PARTS:
            if config.format == "tfrecord":
                write_shards(frames, pairs, part)
            # An empty part is found now, not an hour later.
            open_batches(frames, pairs, part, batch_size=1, seed=None)
    counted = ", ".join(f"{len(index)} {part}" for part, index in indices.items())
    print(f"windows of {config.window_frames} frames: {counted}")
