"""Stage ``spectrogram``: split the corpus, fit the scaler on training audio, encode every clip."""

from __future__ import annotations

from soundloom.config import load_config
from soundloom.corpus import Manifest
from soundloom.encoding import encode_clips, fit_codec, measure_round_trip, spread
from soundloom.figures import draw_encoded
from soundloom.layout import FRAMES_FOLDER, RAW_FOLDER, REPORTS_FOLDER, metrics_file
from soundloom.split import save_split, split_clips
from soundloom.store import FrameFolder, folder_written_aside, write_json


def main() -> None:
    """Run the stage."""
    config, clips = load_config(), Manifest.load().clips
    stretches = split_clips(clips, config.pairs, config.guard_samples)
    codec = fit_codec(
        RAW_FOLDER, clips, stretches, config.spectrogram, config.dataset.sample_rate_hz
    )
    with folder_written_aside(FRAMES_FOLDER) as aside:
        folder = FrameFolder(aside)
        save_split(folder.split_file, stretches)
        write_json(folder.codec_file, codec.to_json())
        n_frames = encode_clips(RAW_FOLDER, clips, codec, aside)

    folder = FrameFolder(FRAMES_FOLDER)
    with folder_written_aside(REPORTS_FOLDER / "spectrogram") as aside:
        for position, clip in enumerate(spread(clips, config.spectrogram.n_previews)):
            path = aside / f"clip_{position:02d}.png"
            draw_encoded(path, folder.read(clip.name), codec, title=clip.name)
    numbers = {"n_clips": len(clips), "n_frames": n_frames, "n_bins": codec.config.n_bins}
    round_trip = measure_round_trip(RAW_FOLDER, clips, codec)
    write_json(metrics_file("spectrogram"), numbers | {"round_trip": round_trip})
