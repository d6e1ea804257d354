"""Stage ``reference``: hear real audio and the controls, with which generated audio is compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from soundloom.common.folders import FrameFolder
from soundloom.common.io import folder_written_aside, read_json, write_arrays, write_json
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import FRAMES_FOLDER, REFERENCE_FOLDER, metrics_file
from soundloom.config import load_config
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import parse_segment_name
from soundloom.evaluation.controls import make_controls
from soundloom.parts import read_part
from soundloom.spectral.codec import FrameCodec


def main() -> None:
    """Run the stage."""
    config = load_config()
    start_keras(config.evaluate.seed, config.evaluate.threads)
    from soundloom.evaluation.comparison import Measures
    from soundloom.evaluation.features import listen, to_arrays, top_tags
    from soundloom.evaluation.ground_truth import truth_kept
    from soundloom.evaluation.tagger import Tagger

    rate_hz = config.dataset.sample_rate_hz
    audio = {part: dict(read_part(part)) for part in ("train", config.generate.prompts_from)}
    training, held_out = audio.values()
    tagger = Tagger.load()

    def hear(recordings: Mapping[str, np.ndarray]) -> list:
        return listen(
            recordings, rate_hz, tagger,
            n_windows=config.evaluate.n_windows, threads=config.evaluate.threads,
        )  # fmt: skip

    heard_training, heard_held_out = hear(training), hear(held_out)
    measures = Measures(heard_held_out, heard_training, config.evaluate, rate_hz)
    numbers = {"real": measures.of_real()}
    clip_of = {name: parse_segment_name(name)[0] for name in held_out}
    if truths := Manifest.load().truths(clip_of):
        numbers["real"]["truth"] = truth_kept(held_out, truths, rate_hz)
    tags = {"training": top_tags(heard_training), "held_out": top_tags(heard_held_out)}
    for name, recordings in make_controls(
        FrameCodec.from_json(read_json(FrameFolder(FRAMES_FOLDER).codec_file)),
        list(training.values()),
        list(held_out.values()),
        prompt_seconds=config.generate.prompt_seconds,
        with_band=Manifest.load().source != "builtin",
        n_windows=config.evaluate.n_windows,
        seed=config.evaluate.seed,
        jobs=config.evaluate.threads,
    ):
        heard = hear({str(number): samples for number, samples in enumerate(recordings)})
        numbers[name], tags[name] = measures.of(heard), top_tags(heard)
    with folder_written_aside(REFERENCE_FOLDER) as aside:
        write_arrays(aside / "training.npz", to_arrays(heard_training))
        write_arrays(aside / "held_out.npz", to_arrays(heard_held_out))
        write_json(aside / "tags.json", tags)
    write_json(metrics_file("reference"), numbers)
