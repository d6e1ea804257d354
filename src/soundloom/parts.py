"""The audio of a part of the split, stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from soundloom.audio import read_audio
from soundloom.corpus import Manifest
from soundloom.layout import FRAMES_FOLDER, RAW_FOLDER
from soundloom.split import Part, load_split
from soundloom.store import FrameFolder


def read_part(part: Part) -> Iterator[tuple[str, np.ndarray]]:
    """Each stretch's name and audio, ``(n_samples,)`` at the corpus's rate."""
    manifest = Manifest.load()
    clips = manifest.by_name
    for stretch in load_split(FrameFolder(FRAMES_FOLDER).split_file):
        if stretch.part == part:
            samples = read_audio(RAW_FOLDER / clips[stretch.clip].file, manifest.sample_rate_hz)
            yield stretch.name, samples[stretch.start_sample : stretch.end_sample]
