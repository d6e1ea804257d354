"""Trains the base's texture on the frames of a bundle: ``texture.py BUNDLE OUT --seconds 200``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from loop import descend
from options import Options
from planes import FRAME_LEVELS, read_planes

from soundloom.models.texture import texture_network, time_features

_SEQUENCE_STEPS = 128
_HELD_OUT_SHARE = 0.05
# Latents that a model draws are not quite those of recordings.
_MOST_NOISE = 0.1
_EXACT = jax.lax.Precision.HIGHEST


def main() -> None:
    """Write ``texture.npz`` into the folder OUT."""
    given = Options.of(__doc__, seconds=200.0, batch=96)
    config = given.config
    fitted = np.load(given.bundle / "fitted.npz")
    mean, basis, stds = (fitted[name] for name in ("mean", "basis", "stds"))
    mean, inverse = mean.reshape(-1), basis / (basis[0] @ basis[0])
    frames = jnp.asarray(read_planes(given.bundle, "frames"))
    n_windows, n_steps, n_values = frames.shape
    n_held_out = max(round(_HELD_OUT_SHARE * n_windows), 1)

    def latents_and_texture(steps: Any, key: Any) -> tuple[Any, Any]:
        between = jax.random.uniform(key, steps.shape, minval=-0.5, maxval=0.5)
        values = jnp.where(steps == 0, 0.0, jnp.clip((steps + between) / FRAME_LEVELS, 0.0, 1.0))
        encoded = jnp.matmul(values - mean, basis.T, precision=_EXACT)
        decoded = jnp.clip(jnp.matmul(encoded, inverse, precision=_EXACT) + mean, 0.0, 1.0)
        return encoded / stds, values - decoded

    whole = jax.jit(latents_and_texture)
    squares = [
        np.square(whole(frames[number], jax.random.key(number))[1]).mean(axis=0)
        for number in range(n_windows)
    ]
    scales = np.maximum(np.sqrt(np.mean(squares, axis=0)), 1e-4).astype(np.float32)
    keras.utils.set_random_seed(0)
    network = texture_network(len(stds), n_values, config.texture)

    def loss(weights: Any, others: Any, numbers: Any, key: Any) -> Any:
        keys = jax.random.split(key, 6)
        starts = jax.random.randint(keys[0], numbers.shape, 0, n_steps - _SEQUENCE_STEPS + 1)
        crop = lambda number, start: jax.lax.dynamic_slice(  # noqa: E731
            frames, (number, start, 0), (1, _SEQUENCE_STEPS, n_values)
        )[0].astype(jnp.float32)
        latents, texture = latents_and_texture(jax.vmap(crop)(numbers, starts), keys[1])
        texture = texture / scales
        loudness = _MOST_NOISE * jax.random.uniform(keys[2], (len(numbers), 1, 1))
        latents = latents + loudness * jax.random.normal(keys[3], latents.shape)
        noise = jax.random.normal(keys[4], texture.shape)
        times = jax.nn.sigmoid(jax.random.normal(keys[5], numbers.shape))
        share = times[:, None, None]
        inputs = [(1.0 - share) * noise + share * texture, latents, time_features(times)]
        towards, others = network.stateless_call(weights, others, inputs, training=True)
        return jnp.mean(jnp.square(towards - (texture - noise))), others

    of_held_out = jax.jit(loss)

    def report(weights: Any) -> float:
        numbers = jnp.arange(n_held_out)
        return float(
            np.mean([of_held_out(weights, [], numbers, jax.random.key(k))[0] for k in range(8)])
        )

    descend(
        network,
        lambda weights, others, numbers, key: loss(weights, others, numbers + n_held_out, key),
        n_windows - n_held_out,
        seconds=given.seconds,
        batch_size=given.batch,
        learning_rate=0.003,
        report=report,
        save=lambda weights: np.savez(given.out / "texture.npz", *weights, texture_scales=scales),
    )


if __name__ == "__main__":
    main()
