"""``explore``: pictures and numbers of a few clips, before anything is learnt from them."""

from __future__ import annotations

from pathlib import Path

from soundloom import figures
from soundloom.audio import read_audio
from soundloom.config import ExploreConfig, load_config
from soundloom.corpus import Manifest
from soundloom.explore import Look, evenly_spread, look_at
from soundloom.layout import RAW_FOLDER, REPORTS_FOLDER, metrics_file
from soundloom.store import folder_written_aside, write_json


def main() -> None:
    """Look at ``explore.n_clips`` clips spread over the corpus."""
    config = load_config().explore
    manifest = Manifest.load()
    numbers = {}
    with folder_written_aside(REPORTS_FOLDER / "explore") as folder:
        for position, index in enumerate(evenly_spread(len(manifest.clips), config.n_clips)):
            clip = manifest.clips[index]
            samples = read_audio(RAW_FOLDER / clip.file, manifest.sample_rate_hz)
            look = look_at(samples, manifest.sample_rate_hz, config)
            # Named by position, not by clip: the same names in every run can be laid side by side.
            name = f"clip_{position:02d}"
            numbers[name] = look.numbers
            draw(look, folder / name, config, clip.name)
    write_json(metrics_file("explore"), numbers)


def draw(look: Look, start: Path, config: ExploreConfig, clip: str) -> None:
    """Write the six pictures of a clip as ``<start>_<what>.png``."""

    def file(what: str) -> Path:
        return start.with_name(f"{start.name}_{what}.png")

    samples, rate_hz, frame_hz = look.samples, look.sample_rate_hz, look.frames_per_second
    zoom_title = f"{clip}: {len(look.crossings)} zero crossings in {len(look.zoom)} samples"
    rolloff_title = (
        f"{clip}: {100 * config.rolloff_fraction:g} % of the spectrum lies below the line"
    )
    resampled_title = f"{clip}: {len(samples)} samples become {len(look.resampled)}"
    figures.draw_waveform(file("waveform"), samples, rate_hz, title=clip)
    figures.draw_zoom(
        file("zoom"), look.zoom, look.zoom_start_sample, look.crossings, title=zoom_title
    )
    figures.draw_decibels(
        file("spectrogram"), look.frames_db, look.frequencies_hz, frame_hz, title=clip
    )
    figures.draw_rolloff(
        file("rolloff"), samples, rate_hz, look.rolloff_hz, frame_hz, title=rolloff_title
    )
    figures.draw_chroma(file("chroma"), look.chroma, frame_hz, title=clip)
    figures.draw_resampled(
        file("resampled"), *look.before_and_after, look.spectra_db, title=resampled_title
    )
