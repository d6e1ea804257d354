"""``explore``: pictures and numbers of a few clips, before anything is learnt from them."""

from __future__ import annotations

from pathlib import Path

from soundloom.audio.files import read_audio
from soundloom.common.evenly import evenly_spaced
from soundloom.common.io import folder_written_aside, write_json
from soundloom.common.paths import EXPLORE_FOLDER, RAW_FOLDER, metrics_file
from soundloom.corpus.files import read_manifest
from soundloom.explore.config import ExploreConfig
from soundloom.explore.look import Look, look_at
from soundloom.figures.spectrograms import draw_chroma, draw_decibels
from soundloom.figures.waveforms import draw_resampled, draw_rolloff, draw_waveform, draw_zoom


def main() -> None:
    """Look at ``explore.n_clips`` clips spread over the corpus."""
    config = ExploreConfig.load()
    manifest = read_manifest()
    numbers = {}
    with folder_written_aside(EXPLORE_FOLDER) as folder:
        for position, index in enumerate(
            evenly_spaced(len(manifest.clips), config.n_clips, last=True)
        ):
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
    draw_waveform(file("waveform"), samples, rate_hz, title=clip)
    draw_zoom(file("zoom"), look.zoom, look.zoom_start_sample, look.crossings, title=zoom_title)
    draw_decibels(file("spectrogram"), look.frames_db, look.frequencies_hz, frame_hz, title=clip)
    draw_rolloff(file("rolloff"), samples, rate_hz, look.rolloff_hz, frame_hz, title=rolloff_title)
    draw_chroma(file("chroma"), look.chroma, frame_hz, title=clip)
    draw_resampled(
        file("resampled"), *look.before_and_after, look.spectra_db, title=resampled_title
    )
