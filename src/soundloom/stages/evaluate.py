"""Stage ``evaluate``: how near the generated audio comes to held-out real audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from soundloom.audio.files import read_audio, write_audio
from soundloom.common.io import folder_written_aside, read_json, write_json
from soundloom.common.paths import (
    EVALUATED_FOLDER,
    GENERATED_FOLDER,
    RAW_FOLDER,
    REFERENCE_FOLDER,
    metrics_file,
)
from soundloom.corpus.files import read_manifest
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import parse_segment_name
from soundloom.evaluation.comparison import STABILITY_HOP_SECONDS, Comparison
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.features import top_tags
from soundloom.evaluation.files import read_features
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.evaluation.hearing import Listener, heard_before
from soundloom.evaluation.metrics.log_mel import PASSAGE_SECONDS
from soundloom.evaluation.metrics.novelty import Match, closest_pairs
from soundloom.figures.distances import draw_distances


def main() -> None:
    """Run the stage."""
    config, manifest = EvaluateConfig.load(), read_manifest()
    rate_hz = manifest.sample_rate_hz
    files = sorted((GENERATED_FOLDER / "samples").glob("*.wav"))
    generated = {file.stem: read_audio(file, rate_hz) for file in files}
    with heard_before(config) as known:
        features = Listener(config, rate_hz, known)(generated, STABILITY_HOP_SECONDS)
    if tally := known.tally("recordings", "heard"):
        print(tally)
    training, held_out = (
        read_features(REFERENCE_FOLDER / f"{name}.npz") for name in ("training", "held_out")
    )
    comparison = Comparison(held_out, training, config, rate_hz)
    matches = comparison.nearest(features)
    numbers = comparison.measure(features, matches)
    if stability := comparison.stability(features):
        numbers["stability"] = stability
    entries = read_json(GENERATED_FOLDER / "generated.json")["samples"]
    if truths := manifest.truths({entry["name"]: entry["clip"] for entry in entries}):
        numbers["truth"] = truth_kept(generated, truths, rate_hz)
    controls = read_json(metrics_file("reference"))
    with folder_written_aside(EVALUATED_FOLDER) as aside:
        write_json(aside / "tags.json", {"generated": top_tags(features)})
        draw_distances(aside / "figures" / "distances.png", {"generated": numbers, **controls})
        pairs = closest_pairs(matches, config.n_pairs)
        names, training_names = ([clip.name for clip in side] for side in (features, training))
        _write_pairs(aside / "pairs", pairs, names, training_names, generated, manifest)
    write_json(metrics_file("evaluate"), numbers)


def _write_pairs(
    folder: Path,
    pairs: Sequence[Match],
    names: Sequence[str],
    training_names: Sequence[str],
    generated: Mapping[str, np.ndarray],
    manifest: Manifest,
) -> None:
    """Write each generated passage and the training passage nearest to it, and where they lie.

    Pairs number the recordings of ``names`` and ``training_names``.
    """
    rate_hz, clips, listed = manifest.sample_rate_hz, manifest.by_name, []
    for number, pair in enumerate(pairs):
        clip, offset = parse_segment_name(training_names[pair.training_clip])
        original = read_audio(RAW_FOLDER / clips[clip].file, rate_hz)[offset:]
        sample = names[pair.generated_clip]
        for kind, samples, seconds in (
            ("generated", generated[sample], pair.generated_seconds),
            ("training", original, pair.training_seconds),
        ):
            passage = samples[round(seconds * rate_hz) :][: round(PASSAGE_SECONDS * rate_hz)]
            write_audio(folder / f"pair_{number:02d}_{kind}.wav", passage, rate_hz)
        listed.append(
            {
                "correlation": pair.correlation,
                "sample": sample,
                "sample_seconds": pair.generated_seconds,
                "recording": clips[clip].recording,
                "recording_seconds": (clips[clip].offset_samples + offset) / rate_hz
                + pair.training_seconds,
            }
        )
    write_json(folder / "pairs.json", listed)
