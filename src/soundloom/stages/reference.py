"""Stage ``reference``: measure real audio and the controls, with which generated audio is compared.

They are given to the same functions as generated audio, by the stage ``evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import call
from pathlib import Path

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.common.io import RowsOnDisk, folder_written_aside, write_json
from soundloom.common.lazy import LazyMapping, later
from soundloom.common.parallel import each
from soundloom.common.paths import FRAMES_FOLDER, RAW_FOLDER, REFERENCE_FOLDER, metrics_file
from soundloom.corpus.config import HeldOutConfig
from soundloom.corpus.files import read_manifest, read_part
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import Segment, parse_segment_name, runs_on_end
from soundloom.evaluation.comparison import Comparison
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.controls import MADE_ANEW, make_controls
from soundloom.evaluation.features import (
    STRUCTURE_SECONDS,
    describe_minutes,
    hop_for,
    top_tags,
)
from soundloom.evaluation.files import write_features
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.evaluation.hearing import Listener, heard_before
from soundloom.spectral.files import FrameFolder


def main() -> None:
    """Run the stage."""
    config, prompts, manifest = EvaluateConfig.load(), HeldOutConfig.load(), read_manifest()
    rate_hz = manifest.sample_rate_hz
    segments = read_part("train")
    held_out_segments = read_part(prompts.prompts_from)
    training, held_out = audio_of(segments, manifest), audio_of(held_out_segments, manifest)

    def hop_seconds(lengths: Iterable[int]) -> float:
        return hop_for([length / rate_hz for length in lengths], config.n_windows)

    hop = hop_seconds(segment.n_samples for segment in segments)
    held_out_hop = hop_seconds(segment.n_samples for segment in held_out_segments)
    controls = {}
    with heard_before(config) as known:
        hear = Listener(config, rate_hz, known, partial(RowsOnDisk, REFERENCE_FOLDER))
        training_features, held_out_features = hear(training, hop), hear(held_out, held_out_hop)
        for name, recordings in make_controls(
            FrameFolder(FRAMES_FOLDER).read_codec().mono,
            training,
            held_out,
            prompt_seconds=prompts.prompt_seconds,
            with_band=manifest.source != "builtin",
            n_windows=config.n_windows,
            seed=config.seed,
            jobs=config.threads,
        ):
            # Held-out audio made anew is as long as it was, and is not to be made to find that out.
            hop = (
                held_out_hop
                if name in MADE_ANEW
                else hop_seconds(len(samples) for samples in recordings.values())
            )
            controls[name] = hear(recordings, hop)
    if tally := known.tally("recordings", "heard"):
        print(tally)
    comparison = Comparison(held_out_features, training_features, config, rate_hz)
    measures = [
        comparison.measure_real,
        *(partial(comparison.measure, features) for features in controls.values()),
    ]
    measured = each(call, measures, desc="distances", unit="set", jobs=config.threads)
    numbers = dict(zip(["real", *controls], measured, strict=True))
    if runs := audio_of_runs(segments, manifest):
        # Clips are cut shorter than what continuations are judged by.
        numbers["real"] |= describe_minutes(runs, rate_hz, threads=config.threads)
    if truths := manifest.truths({name: parse_segment_name(name)[0] for name in held_out}):
        numbers["real"]["truth"] = truth_kept(held_out, truths, rate_hz)
    heard = {"training": training_features, "held_out": held_out_features, **controls}
    tags = {name: top_tags(features) for name, features in heard.items()}
    with folder_written_aside(REFERENCE_FOLDER) as aside:
        write_features(aside / "training.npz", training_features)
        write_features(aside / "held_out.npz", held_out_features)
        write_json(aside / "tags.json", tags)
    write_json(metrics_file("reference"), numbers)


def audio_of(segments: Sequence[Segment], manifest: Manifest) -> Mapping[str, np.ndarray]:
    """Audio of segments by their names: ``(n_samples,)``, read when asked for."""
    files = {name: RAW_FOLDER / clip.file for name, clip in manifest.by_name.items()}
    return LazyMapping(
        {
            segment.name: partial(_read, segment, files[segment.clip], manifest.sample_rate_hz)
            for segment in segments
        }
    )


def audio_of_runs(segments: Sequence[Segment], manifest: Manifest) -> Mapping[str, np.ndarray]:
    """Segments that follow each other, joined to ``(n_samples,)``, read when asked for.

    Those that together last a minute, under the names of their first segments.
    """
    audio, shortest = audio_of(segments, manifest), STRUCTURE_SECONDS * manifest.sample_rate_hz
    runs = runs_on_end(segments, manifest.by_name, round(shortest))
    return LazyMapping(
        {run[0].name: partial(_joined, [later(audio, part.name) for part in run]) for run in runs}
    )


def _read(segment: Segment, file: Path, rate_hz: int) -> np.ndarray:
    return read_audio(file, rate_hz)[segment.start_sample : segment.end_sample]


def _joined(parts: Sequence[Callable[[], np.ndarray]]) -> np.ndarray:
    return np.concatenate([read() for read in parts])
