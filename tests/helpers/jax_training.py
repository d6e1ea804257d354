"""What the test of JAX runs in a process of its own: a training by one device, then by two.

``KERAS_BACKEND=jax python jax_training.py FOLDER`` writes ``FOLDER/one`` and ``FOLDER/two``: the
generator, its history and weights, what it makes of a prompt, and on how many devices it lies.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from small_models import (
    N_BINS,
    model_config,
    sample,
    small_codec,
    start_keras,
    train_config,
    windows_from,
)

CONFIG = model_config(
    "density",
    backbone__units=12,
    backbone__layers=1,
    # What it drops is drawn for the whole batch, however many devices share it.
    backbone__dropout=0.2,
    density__hidden_units=24,
    latents__detail_units=8,
    latents__detail_epochs=1,
)


def write(folder: Path, n_devices: int) -> None:
    """Train on so many devices; epochs end with a single window, which two cannot share."""
    start_keras(0, threads=1)
    from soundloom.models.files import save_generator
    from soundloom.models.registry import build_model
    from soundloom.training.devices import use_devices
    from soundloom.training.fit import train

    use_devices(n_devices)
    windows, held_out = windows_from(range(0, 482, 2), seed=0), windows_from(range(1, 480, 8))
    model = build_model(CONFIG, N_BINS, small_codec().frames_per_second, windows)
    model, history = train(model, windows, held_out, train_config(epochs=2))
    folder.mkdir()
    save_generator(folder, model, small_codec(), CONFIG)
    (folder / "history.json").write_text(json.dumps(history))
    np.savez(folder / "weights.npz", *model.network.get_weights())
    np.save(folder / "sample.npy", sample(model, 0, 1))
    devices = {len(weight.value.devices()) for weight in model.network.weights}
    (folder / "devices").write_text(str(devices))


if __name__ == "__main__":
    # As where there is a GPU; Keras would take seconds to import it.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    write(Path(sys.argv[1]) / "one", 0)
    write(Path(sys.argv[1]) / "two", 2)
