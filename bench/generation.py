"""How many times faster than real time the trained model makes audio, and where the time goes.

Run after `dvc repro`, on a machine with nothing else to do: `make bench`. Every figure is seconds
of audio made in a second of wall time, the best of three runs, on `generate.threads` threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from soundloom.audio.files import read_audio, write_audio
from soundloom.common.errors import run_or_exit
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import GENERATED_FOLDER, GENERATOR_FOLDER
from soundloom.config import Config
from soundloom.generation.continuation import continue_frames, decode_all, prompt_frames

N_RUNS = 3


def main() -> None:
    """Print a table, a row for each number of clips made at once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each clip")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 8], help="clips at once")
    arguments = parser.parse_args()
    config = Config.load().with_changes({"generate.seconds": arguments.seconds}, "options").generate
    start_keras(config.seed, config.threads)
    from soundloom.models.files import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    prompt = read_audio(GENERATED_FOLDER / "prompts" / "prompt_00.wav", codec.sample_rate_hz)

    print("| clips at once | model | phase recovery | WAV | all of it |")
    print("|--:|--:|--:|--:|--:|")
    for n_clips in arguments.clips:
        prompts = np.stack([prompt_frames(codec, prompt)] * n_clips)

        def sample(prompts: np.ndarray = prompts) -> np.ndarray:
            return continue_frames(model, codec, prompts, config)

        frames = sample()

        def recover(frames: np.ndarray = frames) -> list[np.ndarray]:
            return decode_all(frames, codec, config)

        made = recover()

        def write(made: list[np.ndarray] = made) -> None:
            with tempfile.TemporaryDirectory() as folder:
                for number, samples in enumerate(made):
                    write_audio(Path(folder) / f"{number}.wav", samples, config.sample_rate_hz)

        parts = [fastest_seconds(function) for function in (sample, recover, write)]
        speeds = [n_clips * config.seconds / seconds for seconds in (*parts, sum(parts))]
        print(f"| {n_clips} | " + " | ".join(f"{speed:.1f} ×" for speed in speeds) + " |")


def fastest_seconds(function: Callable[[], object]) -> float:
    """Wall time of the fastest of a few runs: what slows the others down is not the function."""
    times = []
    for _ in range(N_RUNS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    run_or_exit(main)
