"""Stage ``pack`` of ``base/dvc.yaml``: the base as a clone needs it, and what it was learned from.

It writes ``base/models/base``, which ``make base`` copies to the project's ``models/base``: the
generator, its weights rounded to half precision, the licence texts of all the music, and a table.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from soundloom.common.io import folder_written_aside, write_text
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import BASE_FOLDER, GENERATOR_FOLDER, RAW_FOLDER
from soundloom.corpus.files import read_manifest, read_split
from soundloom.corpus.manifest import Manifest

_TABLE = """# What the base has heard

The pipeline in `base/` trains it on the music of these packages, {heard:.1f} hours; those marked as
validation, {held_out:.1f} hours more, choose its best epoch and teach it nothing. The licence text
of each package lies in `licences/`.

| package | recordings | minutes | licence |
|---|--:|--:|---|
{rows}
"""


def main() -> None:
    """Run the stage."""
    start_keras(0, 2)
    from soundloom.models.files import load_generator, read_model_config, save_generator
    from soundloom.models.registry import rebuild_model

    model, codec = load_generator(GENERATOR_FOLDER)
    config = read_model_config(GENERATOR_FOLDER)
    weights = [in_half_precision(weight) for weight in model.network.get_weights()]
    arrays = {name: in_half_precision(array) for name, array in model.arrays().items()}
    model = rebuild_model(config, codec.n_bins, codec.frames_per_second, arrays)
    model.network.set_weights(weights)
    manifest = read_manifest()
    held_out = {segment.clip for segment in read_split() if segment.part != "train"}
    hours = {"heard": 0.0, "held_out": 0.0}
    for clip in manifest.clips:
        part = "held_out" if clip.name in held_out else "heard"
        hours[part] += clip.n_samples / manifest.sample_rate_hz / 3600
    with folder_written_aside(BASE_FOLDER) as aside:
        save_generator(aside, model, codec, config)
        shutil.copytree(RAW_FOLDER / "licences", aside / "licences")
        rows = "\n".join(licence_rows(manifest, held_out))
        write_text(aside / "README.md", _TABLE.format(rows=rows, **hours))


def in_half_precision(values: np.ndarray) -> np.ndarray:
    """Float32 of 11 significant bits, which compress to little more than half the bytes."""
    exact, exponents = np.frexp(values)
    return np.ldexp(np.rint(exact * 2**11) / 2**11, exponents).astype(np.float32)


def licence_rows(manifest: Manifest, held_out: set[str]) -> Iterator[str]:
    """A row of the table for each package, in order; ``held_out`` are names of clips."""
    clips = sorted(manifest.clips, key=lambda clip: clip.recording)
    for package, group in groupby(clips, key=lambda clip: clip.recording.partition("/")[0]):
        own = list(group)
        minutes = sum(clip.n_samples for clip in own) / manifest.sample_rate_hz / 60
        validation = " (validation)" if any(clip.name in held_out for clip in own) else ""
        licences = ", ".join(sorted({clip.licence or "unknown" for clip in own}))
        n_recordings = len({clip.recording for clip in own})
        yield f"| {package}{validation} | {n_recordings} | {minutes:.1f} | {licences} |"
