"""Gradient descent for so many seconds, a few steps a call, on weights that stay on the device."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

Loss = Callable[[list[Any], list[Any], Any, Any], Any]
"""Of trainable and other weights, numbers of windows ``(batch,)`` and a key: a scalar, and the
other weights after it."""

_WARM_UP_STEPS = 100
_STEPS_A_CALL = 10
_SECONDS_BETWEEN_REPORTS = 15.0
_LAST_SHARE = 0.02
# Mean of the weights of so many last steps.
_AVERAGED_STEPS = 500.0


def descend(
    network: keras.Model,
    loss: Loss,
    n_windows: int,
    *,
    seconds: float,
    batch_size: int,
    learning_rate: float,
    report: Callable[[list[Any]], float],
    save: Callable[[list[np.ndarray]], None],
) -> None:
    """Muon with a cosine schedule that ends after ``seconds``, compilation included.

    ``report`` is given averaged weights and returns their validation loss; ``save`` is given them
    every quarter of a minute and at the end. A time limit gives other bytes on another machine:
    that is why the stage ``train`` has none.
    """
    optimizer = _muon(network, learning_rate)
    weights = [variable.value for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]
    state = [variable.value for variable in optimizer.variables]
    (rate_at,) = (
        number
        for number, variable in enumerate(optimizer.variables)
        if variable is optimizer._learning_rate
    )

    def step(carry: Any, given: Any) -> Any:
        weights, averaged, others, state, rate, n_done = carry
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, others), gradients = gradient(weights, others, *given)
        state = [rate if number == rate_at else one for number, one in enumerate(state)]
        weights, state = optimizer.stateless_apply(state, gradients, weights)
        share = 1.0 / jnp.minimum(n_done + 1.0, _AVERAGED_STEPS)
        averaged = [
            mean + share * (one - mean) for mean, one in zip(averaged, weights, strict=True)
        ]
        return (list(weights), averaged, list(others), list(state), rate, n_done + 1.0), value

    @jax.jit
    def several(carry: Any, numbers: Any, keys: Any) -> Any:
        carry, values = jax.lax.scan(step, carry, (numbers, keys))
        return carry, values.mean()

    begun, reported, rng, n_done = time.monotonic(), 0.0, np.random.default_rng(0), 0
    averaged = weights
    while (elapsed := time.monotonic() - begun) < seconds:
        decayed = 0.5 + 0.5 * math.cos(math.pi * min(elapsed / seconds, 1.0))
        warm = min(1.0, (n_done + _STEPS_A_CALL) / _WARM_UP_STEPS)
        rate = learning_rate * warm * (_LAST_SHARE + (1.0 - _LAST_SHARE) * decayed)
        numbers = rng.integers(n_windows, size=(_STEPS_A_CALL, batch_size))
        keys = jax.random.split(jax.random.key(n_done), _STEPS_A_CALL)
        carry = (weights, averaged, others, state, jnp.float32(rate), jnp.float32(n_done))
        (weights, averaged, others, state, _, _), value = several(carry, numbers, keys)
        if not math.isfinite(float(value)):
            raise SystemExit(f"the loss became {float(value)} after {n_done} steps")
        n_done += _STEPS_A_CALL
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            held_out = report(averaged)
            print(f"{n_done} steps: {float(value):.4f}, held out {held_out:.4f}", flush=True)
            save([np.asarray(one) for one in averaged])
    print(f"{n_done} steps, held out {report(averaged):.4f}", flush=True)
    save([np.asarray(one) for one in averaged])


def _muon(network: keras.Model, learning_rate: float) -> keras.optimizers.Optimizer:
    """As the stage ``train`` has it."""
    too_thin = [
        f"^{re.escape(variable.path)}$"
        for variable in network.trainable_variables
        if min(variable.shape, default=0) < 8
    ]
    optimizer = keras.optimizers.Muon(
        learning_rate,
        weight_decay=0.0,
        adam_weight_decay=0.0,
        global_clipnorm=1.0,
        exclude_layers=too_thin,
    )
    optimizer.build(network.trainable_variables)
    return optimizer
