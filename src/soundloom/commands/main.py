"""The ``soundloom`` command: what people do beside ``dvc repro``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundloom.common.errors import SoundloomError, run_or_exit
from soundloom.common.paths import GENERATOR_FOLDER
from soundloom.config import Config, load_config
from soundloom.generation.config import GenerateConfig


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run the command; a user's fault ends in one line, status 1."""
    parsed = _parser().parse_args(arguments)
    if parsed.debug:
        os.environ["SOUNDLOOM_DEBUG"] = "1"
    run_or_exit(lambda: parsed.command(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="soundloom",
        description="New music in the genre of your recordings. Run it in the project's root.",
    )
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="continue a recording with the trained model")
    generate.add_argument("--prompt", type=Path, required=True, help="audio file to continue")
    generate.add_argument("--out", type=Path, required=True, help="file to write: .wav or .flac")
    generate.add_argument("--seconds", type=float, help="length of the continuation")
    generate.add_argument("--prompt-seconds", type=float, help="how much of its end is heard")
    generate.add_argument("--temperature", type=float, help="0: the likeliest, 1: as in training")
    generate.add_argument("--seed", type=int, help="another seed, another continuation")
    generate.add_argument("--sample-rate-hz", type=int, help="of the file written")
    generate.add_argument("--channels", type=int, help="1 or 2")
    generate.add_argument("--joined", action="store_true", help="write the prompt before it")
    generate.set_defaults(command=_generate)

    play = commands.add_parser("play", help="play an audio file")
    play.add_argument("file", type=Path)
    play.set_defaults(command=_play)

    ui = commands.add_parser("ui", help="serve MLflow's page: compare and listen")
    ui.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(command=_ui)

    track = commands.add_parser("track", help="keep the variant in this folder as an MLflow run")
    track.add_argument(
        "--waiting", action="store_true", help="only those MLflow could not take earlier"
    )
    track.set_defaults(command=_track)

    restore = commands.add_parser(
        "restore", help="bring the variant of an MLflow run back: commit, params, outputs"
    )
    restore.add_argument("run_id", metavar="RUN_ID", help="as MLflow's page shows it")
    restore.add_argument(
        "--rebuild", action="store_true", help="leave what DVC's cache lacks to `dvc repro`"
    )
    restore.set_defaults(command=_restore)

    study = commands.add_parser("study", help="run a plan of variants and compare them")
    study.add_argument("plan", type=Path, metavar="PLAN", help="study.yaml, say")
    study.add_argument("--out", type=Path, help="write the table here too: a Markdown file")
    study.set_defaults(command=_study)

    check = commands.add_parser("check", help="check params.yaml and say what follows from it")
    check.set_defaults(command=_check)
    for command in commands.choices.values():
        # Suppressed: a default here would undo a --debug given before the command.
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print tracebacks"
        )
    return parser


def _generate(arguments: argparse.Namespace) -> None:
    config = _with_options(load_config(), arguments)
    if arguments.out.suffix not in (".wav", ".flac"):
        raise SoundloomError(f"--out is {str(arguments.out)!r}; it must end in .wav or .flac")
    if not arguments.prompt.is_file():  # before the seconds that Keras takes to start
        raise SoundloomError(f"{arguments.prompt}: no such file")

    from soundloom.audio.files import write_audio
    from soundloom.audio.samples import resample
    from soundloom.common.keras_setup import start_keras
    from soundloom.generation.continuation import continue_prompts, join
    from soundloom.generation.prompts import read_own

    start_keras(config.seed, config.threads)
    from soundloom.models.registry import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    prompt = read_own(arguments.prompt, config.prompt_seconds, codec.sample_rate_hz).samples
    (made,) = continue_prompts(model, codec, [prompt], config)
    samples = made.samples
    if arguments.joined:
        heard = resample(prompt, codec.sample_rate_hz, config.sample_rate_hz)
        samples = join(heard, samples, config.sample_rate_hz)
    write_audio(arguments.out, samples, config.sample_rate_hz, config.channels)
    print(f"{arguments.out}: {len(samples) / config.sample_rate_hz:.2f} s")


def _with_options(config: Config, arguments: argparse.Namespace) -> GenerateConfig:
    """``params.yaml``'s generate section with the options given, checked as if written there."""
    options: dict[str, Any] = {
        f"generate.{name}": getattr(arguments, name)
        for name in (
            "seconds", "prompt_seconds", "temperature", "seed", "sample_rate_hz", "channels",
        )
        if getattr(arguments, name) is not None
    }  # fmt: skip
    return config.with_changes(options, "options").generate


def _play(arguments: argparse.Namespace) -> None:
    from soundloom.commands.player import play

    play(arguments.file)


def _ui(arguments: argparse.Namespace) -> None:
    from soundloom.commands.ui import serve_ui
    from soundloom.experiments.runs import main_root

    serve_ui(main_root(), load_config().track.experiment, arguments.host, arguments.port)


def _track(arguments: argparse.Namespace) -> None:
    from soundloom.experiments.runs import main_root
    from soundloom.stages import track

    recorded = track.record_waiting(main_root()) if arguments.waiting else track.main()
    if not recorded:  # it said why
        raise SystemExit(1)


def _restore(arguments: argparse.Namespace) -> None:
    from soundloom.experiments.restore import restore
    from soundloom.experiments.runs import RunStore, main_root

    store = RunStore(main_root(), load_config().track.experiment)
    print(restore(store, arguments.run_id, rebuild=arguments.rebuild))


def _study(arguments: argparse.Namespace) -> None:
    from soundloom.common.io import write_text
    from soundloom.experiments.runs import RunStore, main_root
    from soundloom.experiments.study import read_plan, read_rows, run, table

    plan = read_plan(arguments.plan)
    run(plan)
    text = table(plan, read_rows(plan, RunStore(main_root(), load_config().track.experiment)))
    if arguments.out:
        write_text(arguments.out, text)
    print(text)


def _check(_: argparse.Namespace) -> None:
    config = load_config()
    rate_hz = config.dataset.sample_rate_hz
    print(f"params.yaml is valid: {config.dataset.source}, {config.dataset.genre}")
    print(f"  frames of {config.spectrogram.n_bins} bins, {config.frames_per_second:.3f} a second")
    print(f"  windows of {config.window_samples / rate_hz:.3f} s")
    print(f"  {config.generate.n_samples} continuations of {config.generate.seconds} s")
