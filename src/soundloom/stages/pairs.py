"""Stage ``pairs``: index the (context, following) windows of each part."""

from __future__ import annotations

from soundloom.batches import open_batches, write_shards
from soundloom.config import load_config
from soundloom.corpus import Manifest
from soundloom.layout import FRAMES_FOLDER, PAIRS_FOLDER
from soundloom.split import PARTS, load_split
from soundloom.store import FrameFolder, PairsFolder, folder_written_aside
from soundloom.windows import index_windows


def main() -> None:
    """Run the stage."""
    config = load_config()
    frames = FrameFolder(FRAMES_FOLDER)
    stretches = load_split(frames.split_file)
    names = [clip.name for clip in Manifest.load().clips]
    with folder_written_aside(PAIRS_FOLDER) as aside:
        pairs = PairsFolder(aside)
        indices = {
            part: index_windows(stretches, part, names, config.spectrogram, config.pairs)
            for part in PARTS
        }
        pairs.write(names, indices)
        for part in PARTS:
            open_batches(frames, pairs, part, config.pairs, batch_size=1, seed=None)
            if config.pairs.format == "tfrecord":
                write_shards(frames, pairs, part, config.pairs)
    counted = ", ".join(f"{len(index)} {part}" for part, index in indices.items())
    print(f"windows of {config.pairs.window_frames} frames: {counted}")
