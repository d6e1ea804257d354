"""Stage ``pairs``: index the (context, following) windows of each part."""

from __future__ import annotations

import numpy as np

from soundloom.common.io import folder_written_aside
from soundloom.common.paths import FRAMES_FOLDER, PAIRS_FOLDER
from soundloom.corpus.files import read_manifest, read_split
from soundloom.corpus.split import PARTS
from soundloom.pairs.config import PairsConfig
from soundloom.pairs.endings import without_endings
from soundloom.pairs.files import PairsFolder
from soundloom.pairs.windows import index_windows
from soundloom.spectral.files import FrameFolder


def main() -> None:
    """Run the stage."""
    config, manifest = PairsConfig.load(), read_manifest()
    frames = FrameFolder(FRAMES_FOLDER)
    codec = frames.read_codec()
    hop_samples = codec.config.hop_samples

    def clip_mid(name: str) -> np.ndarray:
        return codec.mid(frames.read(name))

    segments = without_endings(
        read_split(), manifest.clips, clip_mid, hop_samples, codec.sample_rate_hz
    )
    names = [clip.name for clip in manifest.clips]
    indices: dict[str, np.ndarray] = {
        part: index_windows(segments, part, names, hop_samples, config) for part in PARTS
    }
    with folder_written_aside(PAIRS_FOLDER) as aside:
        PairsFolder(aside, frames.read).write(
            names, indices, window_frames=config.window_frames, format=config.format
        )
    counted = ", ".join(f"{len(index)} {part}" for part, index in indices.items())
    print(f"windows of {config.window_frames} frames: {counted}")
