"""base/data → a folder that holds all a GPU needs: run in ``base/``, after its stage ``pairs``.

``fitted.npz``: components and harmony plan. Latents, plans and tempi of all windows of both parts;
what a shift of the pitch does to latents and plans; frames of some training windows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from planes import FRAME_LEVELS, PLAN_LEVELS, PLAN_STEPS, write_planes

from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import FRAMES_FOLDER, PAIRS_FOLDER
from soundloom.pairs.files import PairsFolder
from soundloom.spectral.files import FrameFolder

if TYPE_CHECKING:
    from soundloom.corpus.split import Part
    from soundloom.models.config import ModelConfig
    from soundloom.pairs.windows import Batches
    from soundloom.spectral.codec import FrameCodec

_BATCH, _N_BATCHES, _N_SHIFTED = 16, 26, 192
_SEMITONES = (-2, -1, 0, 1, 2)


def _latent_steps(n_latents: int) -> np.ndarray:
    """How far apart values of each standardised latent are kept: finest where most is heard."""
    latents = np.arange(n_latents)
    return np.where(latents < 8, 1 / 16, np.where(latents < 24, 1 / 7, 1 / 3)).astype(np.float32)


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True)
    start_keras(0, 2)
    from soundloom.models.config import ModelConfig

    frames = FrameFolder(FRAMES_FOLDER)
    pairs = PairsFolder(PAIRS_FOLDER, frames.read)

    def batches(part: Part, seed: int | None = None) -> Batches:
        return pairs.batches(part, batch_size=_BATCH, seed=seed)

    write_bundle(folder, ModelConfig.load(), frames.read_codec(), batches)


def write_bundle(
    folder: Path, config: ModelConfig, codec: FrameCodec, batches: Callable[..., Batches]
) -> None:
    """Fill an existing folder; ``batches(part, seed)`` are of its windows, by default in order."""
    from soundloom.models.conditioning.harmony_plan import HarmonyPlan
    from soundloom.models.conditioning.tempo import Tempo
    from soundloom.models.latents import Latents
    from soundloom.training.augment import shift_pitch

    stack, train = config.latents.stack_frames, batches("train")
    latents = Latents.fit(train.epoch(0), stack, config.latents.n_latents)
    plan = HarmonyPlan.fit(train, stack)
    steps = _latent_steps(latents.n_latents)
    planes: dict[str, np.ndarray] = {}
    tempi: dict[str, np.ndarray] = {}

    for part in ("train", "validation"):
        found: list[tuple[np.ndarray, ...]] = []
        for windows in batches(part).epoch(0):
            context = windows[:, :-1]
            standardised = latents.encode(context) / latents.stds
            tempo = Tempo.found_in(context, codec.frames_per_second)
            slow = plan.components(context)[:, : standardised.shape[1] // PLAN_STEPS * PLAN_STEPS]
            slow = slow.reshape(len(slow), -1, PLAN_STEPS, slow.shape[-1]).mean(axis=2)
            integers = (_integers(standardised / steps), _integers(PLAN_LEVELS * slow))
            found.append((*integers, tempo.beats_per_frame, tempo.components))
        codes, plans, beats, components = map(np.concatenate, zip(*found, strict=True))
        planes |= {f"latents_{part}": codes, f"plans_{part}": plans}
        tempi |= {f"beats_{part}": beats, f"components_{part}": components}
    shuffled = batches("train", seed=1).epoch(0)
    some = np.concatenate(
        [windows for windows, _ in zip(shuffled, range(_N_BATCHES), strict=False)]
    )
    stacked = some[:, :-1].reshape(len(some), -1, stack * codec.n_bins)
    planes["frames"] = np.rint(FRAME_LEVELS * stacked).astype(np.uint8)
    write_planes(folder, planes)
    shifted = [
        [shift_pitch(window, float(by), codec.bin_frequencies_hz) for window in some[:_N_SHIFTED]]
        for by in _SEMITONES
    ]
    views = (lambda x: latents.encode(x) / latents.stds, plan.components)
    of_latents, of_plans = (
        [_affine(view(some[:_N_SHIFTED]), view(np.clip(x, 0.0, 1.0))) for x in shifted]
        for view in views
    )
    np.savez(
        folder / "features.npz",
        **tempi,
        latent_steps=steps,
        shifts_of_latents=of_latents,
        shifts_of_plans=of_plans,
        frames_per_second=codec.frames_per_second,
    )
    np.savez(folder / "fitted.npz", **latents.arrays(), **plan.arrays())


def _integers(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -127, 127).astype(np.int8)


def _affine(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The matrix ``(n + 1, n)`` that ``before``, and a 1, times it is nearest to ``after`` by."""
    rows = before.reshape(-1, before.shape[-1])
    rows = np.concatenate([rows, np.ones_like(rows[:, :1])], axis=1)
    matrix, *_ = np.linalg.lstsq(rows, after.reshape(-1, after.shape[-1]), rcond=None)
    return matrix.astype(np.float32)


if __name__ == "__main__":
    main()
