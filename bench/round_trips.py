"""What spectrogram and latents alone cost: held-out audio through them and back, no model between.

Run after `dvc repro reference`: no model can sound better than its row here. Other spectrograms are
tried without touching params.yaml: `python bench/round_trips.py --set spectrogram.n_fft=2048`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import yaml

from soundloom.common.errors import run_or_exit
from soundloom.common.io import read_arrays
from soundloom.common.keras_setup import start_keras
from soundloom.common.parallel import each
from soundloom.common.paths import REFERENCE_FOLDER
from soundloom.config import load_config
from soundloom.corpus.manifest import Manifest
from soundloom.corpus.split import parse_segment_name
from soundloom.evaluation.controls import resynthesised
from soundloom.models.latents import Latents
from soundloom.parts import read_part
from soundloom.spectral.codec import FrameCodec

MEANS = {
    "key clarity": "tonality/key_clarity",
    "chroma entropy": "tonality/chroma_entropy",
    "flux": "dynamics/spectral_flux",
    "RMS (dBFS)": "dynamics/rms_dbfs",
}


def main() -> None:
    """Print a table: real audio, the codec, latents of each number asked for, and their detail."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latents", type=int, nargs="*", default=[32, 64], metavar="N")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    config = load_config().with_changes(
        {key: yaml.safe_load(value) for key, value in changes.items()}, "--set"
    )
    start_keras(config.evaluate.seed, config.evaluate.threads)
    from soundloom.evaluation.comparison import Measures
    from soundloom.evaluation.features import from_arrays, listen
    from soundloom.evaluation.ground_truth import truth_kept
    from soundloom.evaluation.tagger import Tagger
    from soundloom.models.detail import Detail, frames_of

    rate_hz, tagger = config.dataset.sample_rate_hz, Tagger.load()
    training = [samples for _, samples in read_part("train")]
    held_out = dict(read_part(config.generate.prompts_from))
    ranges = [FrameCodec.level_range(some, config.spectrogram, rate_hz) for some in training]
    codec = FrameCodec.fit(ranges, config.spectrogram, rate_hz)
    known_held_out, known_training = (
        from_arrays(read_arrays(REFERENCE_FOLDER / f"{part}.npz"))
        for part in ("held_out", "training")
    )
    measures = Measures(known_held_out, known_training, config.evaluate, rate_hz)
    truths = Manifest.load().truths({name: parse_segment_name(name)[0] for name in held_out})

    print(f"| | FAD | KAD | tonality | dynamics | {' | '.join(MEANS)} | key score |")
    print("|---|" + "--:|" * (5 + len(MEANS)))

    def show(name: str, there_and_back: Callable[[np.ndarray], np.ndarray]) -> None:
        made = each(
            there_and_back, list(held_out.values()), desc=name, jobs=config.evaluate.threads
        )
        audio = dict(zip(held_out, made, strict=True))
        heard = listen(
            audio, rate_hz, tagger,
            n_windows=config.evaluate.n_windows, threads=config.evaluate.threads,
        )  # fmt: skip
        # Novelty is no question of round trips: no passage is looked for in training audio.
        numbers = measures.of(heard, matches=[])
        means = [
            np.concatenate([one.descriptors[key] for one in heard]).mean() for key in MEANS.values()
        ]
        ratios = [numbers[group]["ratio"] for group in ("tonality", "dynamics")]
        cells = [f"{value:.1f}" for value in (numbers["fad"], numbers["kad"])]
        cells += [f"{value:.2f}" for value in ratios] + [f"{value:.3f}" for value in means]
        cells.append(f"{truth_kept(audio, truths, rate_hz)['key']:.2f}" if truths else "")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)

    show("real", lambda samples: samples)
    show("codec", lambda samples: resynthesised(codec, samples))
    stack = config.model.latents.stack_frames
    windows = [codec.encode(samples)[None] for samples in training]
    for n_latents in arguments.latents:
        latents = Latents.fit(windows, stack, n_latents)

        def through(
            samples: np.ndarray, latents: Latents = latents, detail: Detail | None = None
        ) -> np.ndarray:
            standardised = latents.encode(codec.encode(samples)) / latents.deviations
            return codec.decode(frames_of(standardised, latents, detail))

        show(f"{n_latents} latents of {stack} frames", through)
        wanted = config.model.latents
        if wanted.detail_units:
            detail = Detail.fit(
                Segments(windows),
                latents,
                wanted.detail_units,
                wanted.detail_epochs,
                gain=wanted.detail_gain,
            )
            show(f"{n_latents} latents and their detail", partial(through, detail=detail))


class Segments:
    """Whole segments as batches, one each."""

    def __init__(self, windows: list[np.ndarray]):
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """All of them, in an order of that epoch's own."""
        order = np.random.default_rng(number).permutation(len(self._windows))
        return (self._windows[place] for place in order)


if __name__ == "__main__":
    run_or_exit(main)
