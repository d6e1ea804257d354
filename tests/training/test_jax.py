"""The default model under JAX: it learns, and what it learnt is TensorFlow's as well.

In a process of its own, as Keras's backend is chosen once; a processor stands in for two devices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from params import REPOSITORY
from small_models import sample, start_keras

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed; it is optional"),
]
# Compiling takes most of the time, and little of it pays here.
XLA_FLAGS = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
HELPERS = REPOSITORY / "tests" / "helpers"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``jax_training.py`` writes."""
    folder = tmp_path_factory.mktemp("jax")
    path = os.pathsep.join([str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HELPERS / "jax_training.py"), str(folder)],
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": XLA_FLAGS, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def history(folder: Path, name: str) -> list[dict[str, float]]:
    return json.loads((folder / name / "history.json").read_text(encoding="utf-8"))


def test_it_learns(trained: Path) -> None:
    first, last = history(trained, "one")
    assert last["loss"] < first["loss"] - 0.2
    assert last["val_loss"] < first["val_loss"] - 0.2


def test_tensorflow_continues_with_the_same_bytes(trained: Path) -> None:
    start_keras(0, threads=1)
    from soundloom.models.files import load_generator

    model, _ = load_generator(trained / "one")
    np.testing.assert_array_equal(sample(model, 0, 1), np.load(trained / "one" / "sample.npy"))


def test_two_devices_learn_what_one_does(trained: Path) -> None:
    one, two = history(trained, "one"), history(trained, "two")
    assert [row["val_loss"] for row in two] == pytest.approx(
        [row["val_loss"] for row in one], abs=1e-3
    )
    # An epoch's last window, which both share, counts twice in what is said of it.
    losses = [[row["loss"] for row in rows] for rows in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=0.02)
    weights = [np.load(trained / name / "weights.npz") for name in ("one", "two")]
    for each in weights[0].files:
        np.testing.assert_allclose(weights[1][each], weights[0][each], atol=1e-4)
    devices = [(trained / name / "devices").read_text(encoding="utf-8") for name in ("one", "two")]
    assert devices == ["{1}", "{2}"]
