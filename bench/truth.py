"""How often the trained model keeps the tempo and the key of songs that nobody trained on.

Run after `dvc repro` on the built-in corpus. The band writes and plays fresh songs, of another seed
than the corpus's; the model continues the beginning of each, and tempo and key are estimated of the
real song and of the continuation alike. Each figure is the mean over the songs and the standard
error of that mean.
"""

from __future__ import annotations

import argparse

import numpy as np
from option_types import above_zero, at_least  # type: ignore[import-not-found]

from soundloom.common.errors import run_or_exit
from soundloom.common.keras_setup import start_keras
from soundloom.common.parallel import each
from soundloom.common.paths import GENERATOR_FOLDER
from soundloom.config import Config
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.generation.continuation import continue_prompts
from soundloom.ingest.sources.builtin import recordings

SONG_SECONDS = 30.0


def main() -> None:
    """Print a table: real songs, their beginnings, and what the model makes of these."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--songs", type=at_least(1), default=48, help="how many are continued")
    parser.add_argument("--seed", type=int, default=3, help="which songs the band writes")
    parser.add_argument("--seconds", type=above_zero, default=30.0, help="of each continuation")
    arguments = parser.parse_args()
    config = Config.load()
    if arguments.seed == config.dataset.builtin.seed:
        parser.error(f"--seed {arguments.seed} is the corpus's own (dataset.builtin.seed)")
    config = config.with_changes(
        {
            "dataset.builtin.n_tracks": arguments.songs,
            "dataset.builtin.seed": arguments.seed,
            "generate.seconds": arguments.seconds,
        },
        "options",
    )
    start_keras(config.generate.seed, config.generate.threads)
    from soundloom.models.files import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    rate_hz = codec.sample_rate_hz
    fresh = recordings(config.dataset.model_copy(update={"clip_seconds": SONG_SECONDS}))
    truths = [song.truth for song in fresh if song.truth]
    songs = each(lambda song: song.load(rate_hz).samples[:], fresh, desc="songs", unit="song")
    prompts = [song[: round(config.generate.prompt_seconds * rate_hz)] for song in songs]
    wanted = config.generate.model_copy(update={"sample_rate_hz": rate_hz})
    made = continue_prompts(model, codec, prompts, wanted)

    print(f"| {arguments.songs} songs | tempo kept | key score | exact |")
    print("|---|--:|--:|--:|")
    for name, audio in {
        "real": songs,
        f"their first {config.generate.prompt_seconds:g} s": prompts,
        "generated": [continuation.samples for continuation in made],
    }.items():
        kept = each(
            lambda number, audio=audio: truth_kept(
                {"it": audio[number]}, {"it": truths[number]}, rate_hz
            ),
            range(len(truths)),
            desc=name,
        )
        cells = []
        for key in ("tempo", "key", "key_exact"):
            values = np.array([one[key] for one in kept])
            error = values.std() / np.sqrt(len(values))
            cells.append(f"{values.mean():.2f} ± {error:.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    run_or_exit(main)
