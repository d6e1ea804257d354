"""Trains the base's density network on a bundle: ``density.py BUNDLE OUT --seconds 450``.

Its examples are those of :meth:`soundloom.models.density.Density.example`, made on the device from
latents; a share of them is shifted in pitch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from loop import descend
from options import Options
from planes import PLAN_LEVELS, PLAN_STEPS, read_planes

from soundloom.models import density
from soundloom.models.conditioning.tempo import RATIOS, USUAL_BPM

_SHIFTED_SHARE = 0.4
_EXACT = jax.lax.Precision.HIGHEST
# As instance_norm, beat_clock and harmony_plan have them.
_LEAST_VARIANCE, _SHORTEST_SHARE, _FAINT, _WITHHELD, _MOST_EARLY = 0.05, 0.25, 0.15, 0.15, 2
# The first steps of a window, which hardly anything was heard before, are not validated by.
_SKIPPED_STEPS = 64


def main() -> None:
    """Write ``density.npz`` into the folder OUT."""
    given = Options.of(__doc__, seconds=450.0, batch=128)
    config = given.config
    if sorted(config.conditioning) != ["beat_clock", "harmony_plan", "style"]:
        raise SystemExit(
            f"model.conditioning is {config.conditioning}; examples have other features"
        )
    train, held_out = (Windows.of(given.bundle, part) for part in ("train", "validation"))
    stds = np.load(given.bundle / "fitted.npz")["stds"]
    weights_of_latents = (stds / stds.mean()).astype(np.float32)
    keras.utils.set_random_seed(0)
    parts = density._Network.build(config)
    parts.head.start_at(train.correlations(), weights_of_latents)
    network, draws = parts.model, density.draws_of(len(stds), config.density)

    def loss(weights: Any, others: Any, numbers: Any, key: Any) -> Any:
        *inputs, targets = train.example(numbers, key)
        inputs[0] = inputs[0] * weights_of_latents
        outputs, others = network.stateless_call(weights, others, [*inputs, targets], training=True)
        value = density.negative_log_likelihood(targets, outputs, draws, weights_of_latents)
        return value, others

    fixed = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def held_out_loss(weights: Any, numbers: Any) -> Any:
        *inputs, targets = held_out.example(numbers)
        inputs[0] = inputs[0] * weights_of_latents
        outputs, _ = network.stateless_call(weights, fixed, [*inputs, targets], training=False)
        heard = (targets[:, _SKIPPED_STEPS:], outputs[:, _SKIPPED_STEPS:])
        return density.negative_log_likelihood(*heard, draws, weights_of_latents)

    def report(weights: Any) -> float:
        size = min(64, len(held_out))
        starts = range(0, len(held_out) - size + 1, size)
        return float(
            np.mean([held_out_loss(weights, start + jnp.arange(size)) for start in starts])
        )

    descend(
        network,
        loss,
        len(train),
        seconds=given.seconds,
        batch_size=given.batch,
        learning_rate=0.004,
        report=report,
        save=lambda weights: np.savez(given.out / "density.npz", *weights),
    )


class Windows:
    """The windows of a part, on the device."""

    def __init__(
        self, codes: Any, plans: Any, beats: Any, components: Any, shared: Mapping[str, Any]
    ):
        self._codes, self._plans, self._beats, self._components = codes, plans, beats, components
        self._shared = shared

    @classmethod
    def of(cls, bundle: Path, part: str) -> Windows:
        """Read them from a bundle."""
        features = dict(np.load(bundle / "features.npz"))
        shared = {
            name: jnp.asarray(features[name])
            for name in (
                "latent_steps",
                "shifts_of_latents",
                "shifts_of_plans",
                "frames_per_second",
            )
        }
        arrays = (
            read_planes(bundle, f"latents_{part}"),
            read_planes(bundle, f"plans_{part}"),
            features[f"beats_{part}"].astype(np.float32),
            features[f"components_{part}"].astype(np.complex64),
        )
        return cls(*map(jnp.asarray, arrays), shared)

    def __len__(self) -> int:
        return len(self._codes)

    def correlations(self) -> np.ndarray:
        """Of each normalised latent with itself a step later."""
        last, _, _, following = self.example(jnp.arange(min(len(self), 256)))
        products, squares = (last * following).sum((0, 1)), (last**2).sum((0, 1))
        return np.asarray(products / jnp.maximum(squares, 1e-6))

    def example(self, numbers: Any, key: Any = None) -> tuple[Any, Any, Any, Any]:
        """Normalised latents, features at steps, constant features and latents a step later.

        With ``key``, as examples for training.
        """
        keys = None if key is None else jax.random.split(key, 7)
        latents = self._codes[numbers].astype(jnp.float32)
        plans = self._plans[numbers].astype(jnp.float32) / PLAN_LEVELS
        n_windows, n_steps, _ = latents.shape
        if keys is not None:
            latents = latents + jax.random.uniform(keys[0], latents.shape, minval=-0.5, maxval=0.5)
        latents = latents * self._shared["latent_steps"]
        plans = _interpolated(plans, n_steps)
        if keys is None:
            mean, std = latents.mean(1), latents.std(1)
        else:
            latents, plans = self._shifted(latents, plans, keys[1])
            mean, std = _statistics_of_a_part(latents, keys[2])
        scale = jnp.sqrt((std**2 + _LEAST_VARIANCE) / (1.0 + _LEAST_VARIANCE))
        latents = (latents - mean[:, None]) / scale[:, None]
        beats, components = self._beats[numbers], self._components[numbers]
        octaves = jnp.log2(beats * self._shared["frames_per_second"] * 60.0 / USUAL_BPM)
        strengths = jnp.abs(components).reshape(n_windows, -1)
        constant = jnp.concatenate([mean, std, octaves[:, None], strengths], axis=-1)
        places = jnp.tile(jnp.arange(1, n_steps), (n_windows, 1))
        withheld = jnp.zeros((n_windows, 1, 1), bool)
        if keys is not None:
            early = jax.random.randint(keys[3], (n_windows, 1), -_MOST_EARLY, _MOST_EARLY + 1)
            places = jnp.clip(places + early, 0, n_steps - 1)
            withheld = jax.random.uniform(keys[4], withheld.shape) < _WITHHELD
        plan = jnp.take_along_axis(plans, places[..., None], axis=1)
        plan = jnp.concatenate([plan, jnp.ones_like(plan[..., :1])], axis=-1)
        plan = jnp.where(withheld, 0.0, plan)
        at_steps = jnp.concatenate([_phases(beats, components, n_steps), plan], axis=-1)
        return latents[:, :-1], at_steps, constant, latents[:, 1:]

    def _shifted(self, latents: Any, plans: Any, key: Any) -> tuple[Any, Any]:
        """A share of the windows higher or lower."""
        keys, shifts = jax.random.split(key), self._shared["shifts_of_latents"]
        n_windows, n_shifts = len(latents), len(shifts)
        chosen = jax.random.randint(keys[0], (n_windows,), 0, n_shifts)
        stays = jax.random.uniform(keys[1], (n_windows,)) >= _SHIFTED_SHARE
        chosen = jnp.where(stays, n_shifts // 2, chosen)
        of_plans = self._shared["shifts_of_plans"]
        return _by(latents, shifts[chosen]), _by(plans, of_plans[chosen])


def _by(values: Any, affine: Any) -> Any:
    moved = jnp.einsum("btn,bnm->btm", values, affine[:, :-1], precision=_EXACT)
    return moved + affine[:, -1:]


def _interpolated(plans: Any, n_steps: int) -> Any:
    places = (jnp.arange(n_steps) - 0.5 * (PLAN_STEPS - 1)) / PLAN_STEPS
    before = jnp.clip(jnp.floor(places).astype(int), 0, plans.shape[1] - 1)
    after = jnp.minimum(before + 1, plans.shape[1] - 1)
    share = jnp.clip(places - before, 0.0, 1.0)[:, None]
    return plans[:, before] * (1.0 - share) + plans[:, after] * share


def _statistics_of_a_part(latents: Any, key: Any) -> tuple[Any, Any]:
    keys, (n_windows, n_steps, _) = jax.random.split(key), latents.shape
    shortest = round(_SHORTEST_SHARE * n_steps)
    lengths = jax.random.randint(keys[0], (n_windows, 1), shortest, n_steps + 1)
    starts = jnp.floor(jax.random.uniform(keys[1], (n_windows, 1)) * (n_steps - lengths + 1))
    steps = jnp.arange(n_steps)[None]
    within = ((steps >= starts) & (steps < starts + lengths))[..., None].astype(jnp.float32)
    mean = (latents * within).sum(1) / lengths
    squares = (jnp.square(latents - mean[:, None]) * within).sum(1) / lengths
    return mean, jnp.sqrt(jnp.maximum(squares, 0.0))


def _phases(beats: Any, components: Any, n_steps: int) -> Any:
    certain = components / jnp.sqrt(jnp.abs(components) ** 2 + _FAINT**2)
    frames = (jnp.arange(1, n_steps) + 0.5) * 2.0 - 0.5
    turns = beats[:, None, None] * frames[None, :, None] * jnp.asarray(RATIOS, jnp.float32)
    turned = jnp.exp(2j * jnp.pi * (turns - jnp.floor(turns)))[..., None] * certain[:, None]
    phases = jnp.stack([turned.real, turned.imag], axis=-1)
    return phases.reshape(len(beats), n_steps - 1, -1).astype(jnp.float32)


if __name__ == "__main__":
    main()
