"""Stage ``reference``: hear real audio and the controls, with which generated audio is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from soundloom.audio import read_audio
from soundloom.config import Config, load_config
from soundloom.controls import held_frame, noise_like, resynthesised, splice
from soundloom.corpus import Manifest
from soundloom.layout import FRAMES_FOLDER, RAW_FOLDER, REFERENCE_FOLDER, metrics_file
from soundloom.parallel import each
from soundloom.runtime import start_keras
from soundloom.spectrogram import FrameCodec
from soundloom.split import load_split, parse_stretch_name
from soundloom.store import (
    FrameFolder,
    folder_written_aside,
    read_json,
    write_arrays,
    write_json,
)

# Each control is as many recordings of this length, long enough for all that is measured.
_N_CONTROLS, _CONTROL_SECONDS = 8, 30.0


def main() -> None:
    """Run the stage."""
    config = load_config()
    start_keras(config.evaluate.seed, config.evaluate.threads)
    from soundloom.evaluation import Measures, listen, to_arrays, top_tags, truth_kept
    from soundloom.tagger import Tagger

    rate_hz = config.dataset.sample_rate_hz
    audio = {part: dict(_stretches(part)) for part in ("train", config.generate.prompts_from)}
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
    clip_of = {name: parse_stretch_name(name)[0] for name in held_out}
    if truths := Manifest.load().truths(clip_of):
        samples = [held_out[name] for name in truths]
        numbers["real"]["truth"] = truth_kept(samples, list(truths.values()), rate_hz)
    tags = {"training": top_tags(heard_training), "held_out": top_tags(heard_held_out)}
    for name, recordings in _controls(config, training, held_out):
        heard = hear(recordings)
        numbers[name], tags[name] = measures.of(heard), top_tags(heard)
    with folder_written_aside(REFERENCE_FOLDER) as aside:
        write_arrays(aside / "training.npz", to_arrays(heard_training))
        write_arrays(aside / "held_out.npz", to_arrays(heard_held_out))
        write_json(aside / "tags.json", tags)
    write_json(metrics_file("reference"), numbers)


def _stretches(part: str) -> Iterator[tuple[str, np.ndarray]]:
    """Audio of every stretch of a part, by clip and first sample."""
    manifest = Manifest.load()
    clips = manifest.by_name
    for stretch in load_split(FrameFolder(FRAMES_FOLDER).split_file):
        if stretch.part == part:
            samples = read_audio(RAW_FOLDER / clips[stretch.clip].file, manifest.sample_rate_hz)
            yield stretch.name, samples[stretch.start_sample : stretch.end_sample]


def _controls(
    config: Config, training: Mapping[str, np.ndarray], held_out: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Every control's name and recordings."""
    codec = FrameCodec.from_json(read_json(FrameFolder(FRAMES_FOLDER).codec_file))
    n_samples = round(_CONTROL_SECONDS * codec.sample_rate_hz)
    prompt_samples = round(config.generate.prompt_seconds * codec.sample_rate_hz)
    rng = np.random.default_rng(config.evaluate.seed)
    real = list(held_out.values())
    chosen = [real[number % len(real)] for number in range(_N_CONTROLS)]

    def decoded(function: Callable[[np.ndarray], np.ndarray], of: list[np.ndarray]) -> dict:
        made = each(function, of, desc="controls", jobs=config.evaluate.threads)
        return {str(number): samples for number, samples in enumerate(made)}

    yield "resynthesised", decoded(lambda samples: resynthesised(codec, samples), real)
    yield (
        "splice",
        {
            str(number): splice(list(training.values()), n_samples, codec.sample_rate_hz, rng)
            for number in range(_N_CONTROLS)
        },
    )
    yield (
        "last_frame",
        decoded(lambda samples: held_frame(codec, samples[:prompt_samples], n_samples), chosen),
    )
    yield (
        "noise",
        {
            str(number): noise_like(np.resize(samples, n_samples), rng)
            for number, samples in enumerate(chosen)
        },
    )
