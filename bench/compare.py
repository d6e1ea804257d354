"""Whether one variant is nearer to real audio than another: the same prompts, differences in pairs.

Run in a project after `dvc repro`, with two others (or itself): `python bench/compare.py A B`, each
a folder that holds data/generated, continuations of the same prompts. Both are measured against
this project's data/reference. Less is better in every row; the interval says how much other songs
would have moved the difference. A change that is worse by any ear beyond its interval is a loss.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from option_types import at_least  # type: ignore[import-not-found]

from soundloom.audio.files import read_audio
from soundloom.common.errors import SoundloomError, run_or_exit
from soundloom.common.io import read_json
from soundloom.common.keras_setup import start_keras
from soundloom.common.lazy import LazyMapping
from soundloom.common.params import flattened
from soundloom.common.paths import GENERATED_FOLDER, REFERENCE_FOLDER
from soundloom.corpus.files import read_manifest
from soundloom.evaluation.comparison import COUNTED, STABILITY_HOP_SECONDS, Comparison
from soundloom.evaluation.config import FIRST_EAR, EvaluateConfig
from soundloom.evaluation.features import RecordingFeatures, extract_features
from soundloom.evaluation.files import read_features
from soundloom.evaluation.paired import paired_differences

DISTANCES = ("fad", "kad", "mad")


def main() -> None:
    """Print a table: every ear's distances and every ratio of A and B, and their difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("a", type=Path, help="a project folder with data/generated")
    parser.add_argument("b", type=Path, help="another, of the same prompts")
    parser.add_argument("--resamples", type=at_least(1), default=100, help="of the bootstrap")
    arguments = parser.parse_args()
    config = EvaluateConfig.load()
    start_keras(config.seed, config.threads)
    from soundloom.evaluation.pretrained import load_tagger

    rate_hz, tagger = read_manifest().sample_rate_hz, load_tagger(config.ears)
    entries = [
        read_json(project / GENERATED_FOLDER / "generated.json")["samples"]
        for project in (arguments.a, arguments.b)
    ]
    prompts = [[(entry["clip"], entry["offset_seconds"]) for entry in side] for side in entries]
    if prompts[0] != prompts[1]:
        raise SoundloomError(f"{arguments.a} and {arguments.b} continue other prompts")

    def heard(project: Path, names: Sequence[str]) -> Sequence[RecordingFeatures]:
        folder = project / GENERATED_FOLDER / "samples"
        files = {name: folder / f"{name}.wav" for name in names}
        audio = LazyMapping(
            {name: partial(read_audio, file, rate_hz) for name, file in files.items()}
        )
        return extract_features(
            audio, rate_hz, tagger, hop_seconds=STABILITY_HOP_SECONDS, threads=config.threads
        )

    first, second = (
        heard(project, [entry["name"] for entry in side])
        for project, side in zip((arguments.a, arguments.b), entries, strict=True)
    )
    held_out, training = (
        read_features(REFERENCE_FOLDER / f"{part}.npz") for part in ("held_out", "training")
    )
    # Intervals of each by itself are not asked for.
    alone = config.model_copy(update={"n_resamples": 0})
    comparison = Comparison(held_out, training, alone, rate_hz)
    found = paired_differences(
        lambda sample: figures(comparison, sample),
        first,
        second,
        [str(entry["recording"]) for entry in entries[0]],
        arguments.resamples,
        np.random.default_rng(config.seed),
    )
    print("| | A | B | B - A | 95 % | B is |")
    print("|---|--:|--:|--:|--:|---|")
    for name, row in found.items():
        print(
            f"| {name} | {row.first:.3g} | {row.second:.3g} | {row.second - row.first:.3g} "
            f"| {row.low:.3g} to {row.high:.3g} | {row.verdict} |"
        )


def figures(comparison: Comparison, sample: Sequence[RecordingFeatures]) -> dict[str, float]:
    """What is better the less it is: distances by every ear, ratios, and the lack of movement."""
    numbers: dict[str, Any] = comparison.measure(sample, matches=[])
    ears = {FIRST_EAR: numbers, **numbers.get("ears", {})}
    found = {ear: {name: one[name] for name in DISTANCES} for ear, one in ears.items()}
    ratios = {
        f"{group} ratio": numbers[group]["ratio"]
        for group in COUNTED
        if "ratio" in numbers.get(group, {})
    }
    return {
        **flattened(found, " "),
        **ratios,
        "frame change, off held-out": abs(numbers["frame_change_ratio"] - 1.0),
    }


if __name__ == "__main__":
    run_or_exit(main)
