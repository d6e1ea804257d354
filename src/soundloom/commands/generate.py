"""``soundloom generate``: continue a recording with the trained model."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from soundloom.commands.given import given, given_path
from soundloom.commands.writable import check_writable
from soundloom.common.errors import SoundloomError, warn, warning_of
from soundloom.common.paths import GENERATOR_FOLDER

HELP = "continue a recording with the trained model"

_KNOBS = ("seconds", "prompt_seconds", "temperature", "seed", "sample_rate_hz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that are not given are as ``params.yaml`` has them."""
    parser.add_argument("--prompt", type=given_path, required=True, help="audio file to continue")
    parser.add_argument(
        "--out",
        type=given_path,
        required=True,
        help="file to write: .wav, .flac, .mp3, .ogg, .opus",
    )
    parser.add_argument(
        "--model",
        type=given,
        help="its folder, or MLflow's: models:/soundloom@champion, runs:/RUN_ID; by default that "
        "of this project",
    )
    parser.add_argument("--seconds", type=float, help="length of the continuation")
    parser.add_argument("--prompt-seconds", type=float, help="how much of its end is continued")
    parser.add_argument("--temperature", type=float, help="0: the likeliest, 1: as in training")
    parser.add_argument("--seed", type=int, help="another seed, another continuation")
    parser.add_argument("--sample-rate-hz", type=int, help="of the file written")
    parser.add_argument("--joined", action="store_true", help="write the prompt before it")
    parser.add_argument("--overwrite", action="store_true", help="--out may be there already")


def _check_out(out: Path, prompt: Path, overwrite: bool) -> None:
    """Raise :class:`SoundloomError` where ``out`` cannot be written, or something would be lost."""
    from soundloom.audio.files import WRITTEN

    if out.suffix.lower() not in WRITTEN:
        raise SoundloomError(f"--out is {str(out)!a}; it must end in {', '.join(WRITTEN)}")
    check_writable(out, "--out")
    if out.exists() and out.samefile(prompt):
        raise SoundloomError(f"--out is {str(out)!r}, which is the prompt; it must be another file")
    if os.path.lexists(out) and not overwrite:
        raise SoundloomError(f"--out is {str(out)!r}, which is there already; see --overwrite")


def run(arguments: argparse.Namespace) -> None:
    """Write the continuation, or prompt and continuation, to ``--out``.

    Raises :class:`SoundloomError` for an option out of range, a prompt that cannot be read or is
    too short, an ``--out`` that cannot be written or is there already, and a model that has not
    been trained or is not in MLflow.
    """
    from soundloom.common.user_files import why_no_file
    from soundloom.generation.config import GenerateConfig

    # Of params.yaml this section alone: the others are about the corpus, not about this recording.
    config = GenerateConfig.load().with_options({name: getattr(arguments, name) for name in _KNOBS})
    # Before the seconds that Keras takes to start, and the minutes that generating may take.
    if why := why_no_file(arguments.prompt):
        raise SoundloomError(f"--prompt is {str(arguments.prompt)!r}: {why}")
    _check_out(arguments.out, arguments.prompt, arguments.overwrite)

    from tqdm import tqdm

    from soundloom.audio.files import WRITTEN, write_audio
    from soundloom.generation.files import continue_file

    highest_hz = WRITTEN[arguments.out.suffix.lower()].rate_hz(config.sample_rate_hz)
    if highest_hz < config.sample_rate_hz:
        warn(
            f"{arguments.out}: {config.sample_rate_hz} Hz are asked for, but {arguments.out.suffix}"
            f" has at most {highest_hz}: it is written at that"
        )
    with _generator(arguments.model) as folder:
        made = continue_file(
            arguments.prompt,
            folder,
            config,
            tell=warning_of(arguments.prompt),
            progress=partial(tqdm, desc="composing"),
        )
    samples = made.joined if arguments.joined else made.continuation
    # Once more: it may have come to be there in the meantime.
    _check_out(arguments.out, arguments.prompt, arguments.overwrite)
    write_audio(arguments.out, samples, config.sample_rate_hz)
    print(f"{arguments.out}: {len(samples) / config.sample_rate_hz:.2f} s")


@contextmanager
def _generator(model: str | None) -> Iterator[Path]:
    """The folder of ``--model``; one of MLflow's is copied, and gone when the context is left.

    Where none is named, it is the project's own, or the base before any training.
    """
    if model is None:
        from soundloom.generation.files import own_model, why_not_own

        if why := why_not_own():
            warn(why)
        yield own_model()
        return
    if not model.startswith(("models:/", "runs:/")):
        from soundloom.models.config import MODEL_FILE

        folder = Path(model)
        if folder != GENERATOR_FOLDER and not (folder / MODEL_FILE).is_file():
            raise SoundloomError(
                f"--model is {model!r}; it must be a model's folder, such as {GENERATOR_FOLDER}, "
                "or one of MLflow's: models:/NAME@ALIAS, runs:/RUN_ID"
            )
        yield folder
        return
    from soundloom.experiments.registry import fetch_generator
    from soundloom.experiments.store import RunStore

    store = RunStore.of_project(create=False)
    with tempfile.TemporaryDirectory() as name:
        yield fetch_generator(store, model, Path(name))
