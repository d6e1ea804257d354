"""Stage ``spectrogram``: fit the scaler on training audio, turn clips into frames."""

from __future__ import annotations

from functools import partial

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.cache.files import Cache
from soundloom.common.evenly import evenly_spaced
from soundloom.common.io import folder_written_aside, write_json
from soundloom.common.paths import FRAMES_FOLDER, RAW_FOLDER, SPECTROGRAM_FOLDER, metrics_file
from soundloom.common.recall import Recall
from soundloom.corpus.files import read_manifest, read_split
from soundloom.corpus.manifest import Clip
from soundloom.figures.spectrograms import draw_encoded
from soundloom.spectral.config import SpectrogramConfig
from soundloom.spectral.encoding import encode_clips, fit_codec, measure_round_trip
from soundloom.spectral.files import FrameFolder, LevelsAside

# The folders that frames come of.
_MADE_BY = ("audio", "common", "spectral")


def main() -> None:
    """Run the stage."""
    config, manifest = SpectrogramConfig.load(), read_manifest()
    clips, rate_hz, channels = manifest.clips, manifest.sample_rate_hz, manifest.channels
    read = partial(_read_clip, rate_hz, channels)
    with folder_written_aside(FRAMES_FOLDER) as aside, LevelsAside(aside / "levels") as levels:
        with Cache("levels", _MADE_BY) as known:
            recall, split = partial(_recall_of, known), read_split()
            codec = fit_codec(read, clips, split, config, rate_hz, channels, recall, levels.keep)
        folder = FrameFolder(aside)
        folder.write_codec(codec)
        with Cache("frames", _MADE_BY) as known:
            recall = partial(_recall_of, known)
            n_frames = encode_clips(read, clips, codec, folder.write, recall, levels.take)
    if tally := known.tally("clips", "encoded"):
        print(tally)

    folder = FrameFolder(FRAMES_FOLDER)
    with folder_written_aside(SPECTROGRAM_FOLDER) as aside:
        for position, index in enumerate(evenly_spaced(len(clips), config.n_previews)):
            path, name = aside / f"clip_{position:02d}.png", clips[index].name
            draw_encoded(path, folder.read(name), codec, title=name)
    numbers = {"n_clips": len(clips), "n_frames": n_frames, "n_bins": codec.n_bins}
    round_trip = measure_round_trip(read, clips, codec)
    write_json(metrics_file("spectrogram"), numbers | {"round_trip": round_trip})


def _recall_of(known: Cache, clip: Clip) -> Recall:
    """What is known of what was made of the very bytes of this clip."""
    return lambda made_of, make: known.recall((RAW_FOLDER / clip.file, *made_of), make)


def _read_clip(rate_hz: int, channels: int, clip: Clip) -> np.ndarray:
    return read_audio(RAW_FOLDER / clip.file, rate_hz, channels)
