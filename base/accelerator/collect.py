"""Weights trained on a GPU → ``models/generator``: ``collect.py BUNDLE OUT``, in ``base/``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundloom.common.io import folder_written_aside
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import FRAMES_FOLDER, GENERATOR_FOLDER, PAIRS_FOLDER
from soundloom.pairs.files import PairsFolder
from soundloom.spectral.files import FrameFolder

if TYPE_CHECKING:
    from soundloom.models.config import ModelConfig
    from soundloom.models.density import Density
    from soundloom.pairs.windows import Batches
    from soundloom.spectral.codec import FrameCodec


def main() -> None:
    """Write the folder, in the place of one that may be there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    start_keras(0, 2)
    from soundloom.models.config import ModelConfig
    from soundloom.models.files import save_generator

    config, frames = ModelConfig.load(), FrameFolder(FRAMES_FOLDER)
    codec = frames.read_codec()
    pairs = PairsFolder(PAIRS_FOLDER, frames.read)
    train = pairs.batches("train", batch_size=16, seed=None)
    model = collected(given.bundle, given.out, config, codec, train)
    with folder_written_aside(GENERATOR_FOLDER) as aside:
        save_generator(aside, model, codec, config)


def collected(
    bundle: Path, out: Path, config: ModelConfig, codec: FrameCodec, train: Batches
) -> Density:
    """The model of the weights in ``out``, with what was fitted for the bundle and on ``train``."""
    from soundloom.models.density import Density

    arrays = dict(np.load(bundle / "fitted.npz"))
    *texture, scales = _in_order(out / "texture.npz")
    arrays |= {f"texture_{number}": weight for number, weight in enumerate(texture)}
    arrays |= {"texture_scales": scales, "extremes": np.zeros((2, config.latents.n_latents))}
    model = Density.from_arrays(config, codec.n_bins, codec.frames_per_second, arrays)
    model.network.set_weights(list(_in_order(out / "density.npz")))
    return model.adapted(config, train)


def _in_order(path: Path) -> Iterator[np.ndarray]:
    """What ``numpy.savez`` was given without names, then what it was given by name."""
    held = np.load(path)
    plain = sorted(
        (name for name in held.files if name.startswith("arr_")), key=lambda n: int(n[4:])
    )
    yield from (held[name] for name in [*plain, *sorted(set(held.files) - set(plain))])


if __name__ == "__main__":
    main()
