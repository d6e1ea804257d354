"""Stage ``reference``: measure real audio and the controls, with which generated audio is compared.

They are given to the same functions as generated audio, by the stage ``evaluate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.common.io import folder_written_aside, write_arrays, write_json
from soundloom.common.keras_setup import start_keras
from soundloom.common.lazy import LazyMapping
from soundloom.common.parallel import each
from soundloom.common.paths import FRAMES_FOLDER, RAW_FOLDER, REFERENCE_FOLDER, metrics_file
from soundloom.corpus.config import HeldOutConfig
from soundloom.corpus.files import read_manifest, read_split
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import Part, Segment, parse_segment_name
from soundloom.evaluation.comparison import Comparison
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.controls import MADE_ANEW, make_controls
from soundloom.evaluation.features import (
    RecordingFeatures,
    describe_structure,
    extract_features,
    hop_for,
    to_arrays,
    top_tags,
)
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.spectral.files import FrameFolder


def main() -> None:
    """Run the stage."""
    config, prompts, manifest = EvaluateConfig.load(), HeldOutConfig.load(), read_manifest()
    start_keras(config.seed, config.threads)
    from soundloom.evaluation.pretrained import load_tagger

    rate_hz, tagger = manifest.sample_rate_hz, load_tagger(config.ears)
    training, held_out = (part_audio(manifest, part) for part in ("train", prompts.prompts_from))

    def hop_seconds(lengths: Iterable[int]) -> float:
        return hop_for([length / rate_hz for length in lengths], config.n_windows)

    def extract(recordings: Mapping[str, np.ndarray], hop: float) -> list[RecordingFeatures]:
        return extract_features(
            recordings, rate_hz, tagger, hop_seconds=hop, threads=config.threads
        )

    hop = hop_seconds(segment.n_samples for segment in segments_of("train"))
    held_out_hop = hop_seconds(segment.n_samples for segment in segments_of(prompts.prompts_from))
    training_features, held_out_features = extract(training, hop), extract(held_out, held_out_hop)
    comparison = Comparison(held_out_features, training_features, config, rate_hz)
    numbers = {"real": comparison.measure_real()}
    if minutes := whole_minutes(manifest, "train"):
        # Clips are cut shorter than what continuations are judged by.
        numbers["real"] |= _structure(minutes, rate_hz, config.threads)
    if truths := manifest.truths({name: parse_segment_name(name)[0] for name in held_out}):
        numbers["real"]["truth"] = truth_kept(held_out, truths, rate_hz)
    tags = {"training": top_tags(training_features), "held_out": top_tags(held_out_features)}
    for name, recordings in make_controls(
        FrameFolder(FRAMES_FOLDER).read_codec(),
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
        features = extract(recordings, hop)
        numbers[name], tags[name] = comparison.measure(features), top_tags(features)
    with folder_written_aside(REFERENCE_FOLDER) as aside:
        write_arrays(aside / "training.npz", to_arrays(training_features))
        write_arrays(aside / "held_out.npz", to_arrays(held_out_features))
        write_json(aside / "tags.json", tags)
    write_json(metrics_file("reference"), numbers)


def segments_of(part: Part) -> list[Segment]:
    """The segments of a part of the split."""
    return [segment for segment in read_split() if segment.part == part]


def whole_minutes(manifest: Manifest, part: Part) -> Mapping[str, np.ndarray]:
    """Minutes on end, ``(n_samples,)`` each: segments of a part that follow each other, joined.

    A run's minutes are named after its first segment, ``<segment>+0`` and so on, and read when
    asked for.
    """
    clips, audio = manifest.by_name, part_audio(manifest, part)
    n_minute = round(60.0 * manifest.sample_rate_hz)

    def place(segment: Segment) -> tuple[str, int]:
        clip = clips[segment.clip]
        return clip.recording, clip.offset_samples + segment.start_sample

    runs: dict[str, list[Segment]] = {}
    expected = None
    for segment in sorted(segments_of(part), key=place):
        recording, start = place(segment)
        if (recording, start) == expected:
            next(reversed(runs.values())).append(segment)
        else:
            runs[segment.name] = [segment]
        expected = recording, start + segment.n_samples
    minutes = {
        f"{name}+{number}": (run, number * n_minute)
        for name, run in runs.items()
        for number in range(sum(segment.n_samples for segment in run) // n_minute)
    }

    def read(name: str) -> np.ndarray:
        run, start = minutes[name]
        joined = np.concatenate([audio[segment.name] for segment in run])
        return joined[start : start + n_minute].copy()

    return LazyMapping(list(minutes), read)


def _structure(
    recordings: Mapping[str, np.ndarray], rate_hz: int, threads: int
) -> dict[str, float]:
    """Means over recordings of what :func:`describe_structure` says of each."""

    def described(name: str) -> dict[str, float]:
        samples = recordings[name]
        return describe_structure(samples, log_mel(samples, rate_hz), rate_hz)

    found = each(described, list(recordings), desc="structure", jobs=threads)
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def part_audio(manifest: Manifest, part: Part) -> Mapping[str, np.ndarray]:
    """Audio of every segment of a part, by its name: ``(n_samples,)``, read when asked for."""
    clips = manifest.by_name
    segments = {segment.name: segment for segment in segments_of(part)}

    def read(name: str) -> np.ndarray:
        segment = segments[name]
        samples = read_audio(RAW_FOLDER / clips[segment.clip].file, manifest.sample_rate_hz)
        return samples[segment.start_sample : segment.end_sample]

    return LazyMapping(list(segments), read)
