"""Stage ``generate``: continue held-out prompts, or the user's own, and write what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundloom.audio.files import read_audio, write_audio
from soundloom.audio.levels import peak_dbfs, rms_dbfs, side_to_mid_db
from soundloom.audio.samples import is_silent, resample
from soundloom.common.errors import SoundloomError, warn, warning_of
from soundloom.common.io import folder_written_aside, write_json
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import GENERATED_FOLDER, GENERATOR_FOLDER, RAW_FOLDER, metrics_file
from soundloom.common.user_files import why_not_here
from soundloom.corpus.files import read_manifest, read_part
from soundloom.figures.spectrograms import draw_encoded
from soundloom.generation.config import GenerateConfig
from soundloom.generation.continuation import Continuation, continue_prompts, why_no_sections
from soundloom.generation.files import read_prompt
from soundloom.generation.prompts import Prompt, choose_prompts, held_out_prompt, holds_nothing
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.files import read_codec
from soundloom.spectral.movement import frame_change


def main() -> None:
    """Run the stage."""
    config = GenerateConfig.load()
    # Before the seconds that Keras takes to start.
    prompts = chosen_prompts(config, read_codec(GENERATOR_FOLDER))
    start_keras(config.seed, config.threads)
    from soundloom.models.files import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    if why := why_no_sections(model, config):
        warn(why)
    continuations = continue_prompts(model, codec, [prompt.samples for prompt in prompts], config)
    entries, numbers = [], {}
    with folder_written_aside(GENERATED_FOLDER) as aside:
        for number, (prompt, made) in enumerate(zip(prompts, continuations, strict=True)):
            entries.append(_write(aside, f"{number:02d}", prompt, made, codec, config))
            numbers[f"sample_{number:02d}"] = _measure(made, prompt, codec)
        write_json(aside / "generated.json", {"samples": entries})
    write_json(metrics_file("generate"), numbers)


def chosen_prompts(config: GenerateConfig, codec: FrameCodec) -> list[Prompt]:
    """``generate.n_samples`` prompts, less those of held-out audio that hold nothing."""
    rate_hz = codec.sample_rate_hz
    if config.prompt:
        path = Path(config.prompt)
        if not path.exists() and (why := why_not_here(path)):
            raise SoundloomError(f"generate.prompt is {config.prompt!r}; {why}")
        prompt = read_prompt(path, config.prompt_seconds, codec, warning_of(path))
        return [prompt] * config.n_samples
    places = choose_prompts(
        read_part(config.prompts_from),
        config.n_samples,
        round(config.prompt_seconds * rate_hz),
        round(config.seconds * rate_hz),
    )
    clips, prompts = read_manifest().by_name, []
    for place in places:
        clip = clips[place.clip]
        samples = read_audio(RAW_FOLDER / clip.file, rate_hz, codec.channels)
        prompt = held_out_prompt(place, clip, samples, rate_hz)
        if holds_nothing(prompt.samples, codec):
            what = "silent" if is_silent(prompt.samples) else "no more than a click"
            warn(
                f"{clip.file}: {what} for {config.prompt_seconds} s from "
                f"{place.start_sample / rate_hz:.2f} s, so not continued ({clip.recording})"
            )
        else:
            prompts.append(prompt)
    if not prompts:
        raise SoundloomError(
            f"all {len(places)} prompts of {config.prompt_seconds} s that generate.prompts_from: "
            f"{config.prompts_from} gives are silent; see generate.prompt_seconds and split.seed"
        )
    return prompts


def _write(
    folder: Path,
    suffix: str,
    prompt: Prompt,
    made: Continuation,
    codec: FrameCodec,
    config: GenerateConfig,
) -> dict[str, Any]:
    """Write one sample's files; returns its entry in ``generated.json``."""
    rate_hz = codec.sample_rate_hz
    path = folder / "samples" / f"sample_{suffix}.wav"
    write_audio(path, made.samples, config.sample_rate_hz)
    audio = {"sample": resample(made.samples, config.sample_rate_hz, rate_hz)}
    audio["prompt"] = prompt.samples
    write_audio(folder / "prompts" / f"prompt_{suffix}.wav", prompt.samples, rate_hz)
    if prompt.following is not None:
        audio["real"] = prompt.following
        write_audio(folder / "real" / f"real_{suffix}.wav", prompt.following, rate_hz)
    for kind, samples in audio.items():
        # Drawn from the audio itself, not from the frames the model drew.
        picture = folder / "spectrograms" / f"{kind}_{suffix}.png"
        draw_encoded(picture, codec.encode(samples), codec)
    return {
        "name": f"sample_{suffix}",
        "prompt": f"prompt_{suffix}",
        "real": f"real_{suffix}" if "real" in audio else None,
        "recording": prompt.recording,
        "clip": prompt.clip,
        "offset_seconds": prompt.offset_seconds,
        "seed": config.seed,
    }


def _measure(made: Continuation, prompt: Prompt, codec: FrameCodec) -> dict[str, float]:
    """Levels, how much the spectrum moves and, of stereo, how wide it is, beside the prompt's."""
    widths = {"side_to_mid_db": made.samples, "prompt_side_to_mid_db": prompt.samples}
    return {
        "peak_dbfs": peak_dbfs(made.samples),
        "rms_dbfs": rms_dbfs(made.samples),
        "frame_change": frame_change(codec.mid(made.frames)),
        "prompt_frame_change": frame_change(codec.mid(codec.encode(prompt.samples))),
        **{key: side_to_mid_db(of) for key, of in widths.items() if codec.channels == 2},
    }
