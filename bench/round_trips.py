"""What spectrogram and latents alone cost: held-out audio through them and back, no model between.

Run after `dvc repro reference`: no model can sound better than its row here. Other spectrograms are
tried without touching params.yaml: `python bench/round_trips.py --set spectrogram.n_fft=2048`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.common.errors import run_or_exit
from soundloom.common.keras_setup import start_keras
from soundloom.common.parallel import each
from soundloom.common.params import parse_yaml
from soundloom.common.paths import RAW_FOLDER, REFERENCE_FOLDER
from soundloom.config import Config
from soundloom.corpus.files import read_manifest, read_part, read_split
from soundloom.corpus.split import parse_segment_name
from soundloom.evaluation.comparison import Comparison
from soundloom.evaluation.controls import resynthesised
from soundloom.evaluation.features import extract_features, hop_for
from soundloom.evaluation.files import read_features
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.spectral.encoding import fit_codec
from soundloom.stages.reference import audio_of

# Means over held-out audio, beside the distances: what changed, and which way.
MEANS = {
    "key clarity": "tonality/key_clarity",
    "chroma entropy": "tonality/chroma_entropy",
    "flux": "dynamics/spectral_flux",
    "RMS (dBFS)": "dynamics/rms_dbfs",
}


def main() -> None:
    """Print a table: real audio, the codec, latents of each number asked for, and their detail."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--latents", type=int, nargs="*", metavar="N", help="by default model.latents.n_latents"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in arguments.changes)
    config = Config.load().with_changes(
        {key: parse_yaml(value) for key, value in changes.items()}, "--set"
    )
    start_keras(config.evaluate.seed, config.evaluate.threads)
    from soundloom.evaluation.pretrained import load_tagger
    from soundloom.models.latent_space import LatentSpace

    manifest, tagger = read_manifest(), load_tagger(config.evaluate.ears)
    rate_hz = manifest.sample_rate_hz
    training = audio_of(read_part("train"), manifest)
    held_out = audio_of(read_part(config.generate.prompts_from), manifest)
    codec = fit_codec(
        lambda clip: read_audio(RAW_FOLDER / clip.file, rate_hz),
        manifest.clips,
        read_split(),
        config.spectrogram,
        rate_hz,
    )
    known_held_out, known_training = (
        read_features(REFERENCE_FOLDER / f"{part}.npz") for part in ("held_out", "training")
    )
    comparison = Comparison(known_held_out, known_training, config.evaluate, rate_hz)
    truths = manifest.truths({name: parse_segment_name(name)[0] for name in held_out})

    print(f"| | FAD | KAD | tonality | dynamics | {' | '.join(MEANS)} | key score |")
    print("|---|" + "--:|" * (5 + len(MEANS)))

    def show(name: str, there_and_back: Callable[[np.ndarray], np.ndarray]) -> None:
        made = each(
            there_and_back, list(held_out.values()), desc=name, jobs=config.evaluate.threads
        )
        recordings = dict(zip(held_out, made, strict=True))
        lengths = [len(samples) / rate_hz for samples in made]
        hop_seconds = hop_for(lengths, config.evaluate.n_windows)
        features = extract_features(
            recordings, rate_hz, tagger, hop_seconds=hop_seconds, threads=config.evaluate.threads
        )
        # Novelty is no question of round trips: no passage is looked for in training audio.
        numbers = comparison.measure(features, matches=[])
        means = [
            np.concatenate([recording.descriptors[key] for recording in features]).mean()
            for key in MEANS.values()
        ]
        # What a small corpus is too small for is left out of the numbers.
        ratios = [numbers.get(group, {}).get("ratio") for group in ("tonality", "dynamics")]
        cells = [f"{value:.1f}" for value in (numbers["fad"], numbers["kad"])]
        cells += ["" if value is None else f"{value:.2f}" for value in ratios]
        cells += [f"{value:.3f}" for value in means]
        cells.append(f"{truth_kept(recordings, truths, rate_hz)['key']:.2f}" if truths else "")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)

    show("real", lambda samples: samples)
    show("codec", partial(resynthesised, codec))
    segments = Segments([codec.encode(samples)[None] for samples in training.values()])
    wanted = config.model.latents
    for n_latents in arguments.latents or [wanted.n_latents]:
        for detail_units in dict.fromkeys((0, wanted.detail_units)):
            tried = wanted.model_copy(update={"n_latents": n_latents, "detail_units": detail_units})
            model = config.model.model_copy(update={"latents": tried})
            space = LatentSpace.fit(segments, model)

            def there_and_back(samples: np.ndarray, space: LatentSpace = space) -> np.ndarray:
                latents = space.encode(codec.encode(samples)[None])
                return codec.decode(space.decode(latents, [np.random.default_rng(0)])[0])

            what = "and their detail" if detail_units else f"of {wanted.stack_frames} frames"
            show(f"{n_latents} latents {what}", there_and_back)


class Segments:
    """Frames of whole segments, ``(1, n_frames, n_bins)`` each, as batches of windows."""

    def __init__(self, frames: list[np.ndarray]):
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """All of them, in an order of that epoch's own."""
        order = np.random.default_rng(number).permutation(len(self._frames))
        return (self._frames[place] for place in order)


if __name__ == "__main__":
    run_or_exit(main)
