"""Stage ``generate``: continue held-out prompts, or the user's own, and write what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundloom.audio.files import write_audio
from soundloom.audio.levels import peak_dbfs, rms_dbfs
from soundloom.audio.samples import resample
from soundloom.common.folders import FrameFolder
from soundloom.common.io import folder_written_aside, write_json
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import FRAMES_FOLDER, GENERATED_FOLDER, GENERATOR_FOLDER, metrics_file
from soundloom.config import Config, load_config
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import load_split
from soundloom.figures.sound import draw_encoded
from soundloom.generation.continuation import Continuation, continue_prompts
from soundloom.generation.prompts import Prompt, choose_prompts, read_held_out, read_own
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.movement import frame_change


def main() -> None:
    """Run the stage."""
    config = load_config()
    start_keras(config.generate.seed, config.generate.threads)
    from soundloom.models.registry import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    prompts = _prompts(config, codec.sample_rate_hz)
    continuations = continue_prompts(
        model, codec, [prompt.samples for prompt in prompts], config.generate
    )
    entries, numbers = [], {}
    with folder_written_aside(GENERATED_FOLDER) as aside:
        for number, (prompt, made) in enumerate(zip(prompts, continuations, strict=True)):
            entries.append(_write(aside, f"{number:02d}", prompt, made, codec, config))
            numbers[f"sample_{number:02d}"] = _measure(made, prompt, codec)
        write_json(aside / "generated.json", {"samples": entries})
    write_json(metrics_file("generate"), numbers)


def _prompts(config: Config, rate_hz: int) -> list[Prompt]:
    wanted = config.generate
    if wanted.prompt:
        return [read_own(Path(wanted.prompt), wanted.prompt_seconds, rate_hz)] * wanted.n_samples
    segments = load_split(FrameFolder(FRAMES_FOLDER).split_file)
    places = choose_prompts(
        [segment for segment in segments if segment.part == wanted.prompts_from],
        wanted.n_samples,
        round(wanted.prompt_seconds * rate_hz),
        round(wanted.seconds * rate_hz),
    )
    return read_held_out(places, Manifest.load().by_name, rate_hz)


def _write(
    folder: Path, suffix: str, prompt: Prompt, made: Continuation, codec: FrameCodec, config: Config
) -> dict[str, Any]:
    """Write one sample's files; returns its entry in ``generated.json``."""
    wanted, rate_hz = config.generate, codec.sample_rate_hz
    path = folder / "samples" / f"sample_{suffix}.wav"
    write_audio(path, made.samples, wanted.sample_rate_hz, wanted.channels)
    heard = {"sample": resample(made.samples, wanted.sample_rate_hz, rate_hz)}
    heard["prompt"] = prompt.samples
    write_audio(folder / "prompts" / f"prompt_{suffix}.wav", prompt.samples, rate_hz)
    if prompt.following is not None:
        heard["real"] = prompt.following
        write_audio(folder / "real" / f"real_{suffix}.wav", prompt.following, rate_hz)
    for kind, samples in heard.items():
        # Drawn from the audio itself, not from the frames the model dreamt of.
        picture = folder / "spectrograms" / f"{kind}_{suffix}.png"
        draw_encoded(picture, codec.encode(samples), codec)
    return {
        "name": f"sample_{suffix}",
        "prompt": f"prompt_{suffix}",
        "real": f"real_{suffix}" if "real" in heard else None,
        "recording": prompt.recording,
        "clip": prompt.clip,
        "offset_seconds": prompt.offset_seconds,
        "seed": wanted.seed,
    }


def _measure(made: Continuation, prompt: Prompt, codec: FrameCodec) -> dict[str, float]:
    """Levels, and how much the spectrum moves beside how much the prompt's did."""
    return {
        "peak_dbfs": peak_dbfs(made.samples),
        "rms_dbfs": rms_dbfs(made.samples),
        "frame_change": frame_change(made.frames),
        "prompt_frame_change": frame_change(codec.encode(prompt.samples)),
    }
