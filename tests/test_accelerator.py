"""``base/accelerator``: what a GPU is to train is written, trained under JAX and read again."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

from params import REPOSITORY, small_params
from scripts import load_script
from small_models import N_BINS, model_config, sample, small_codec, start_keras, windows_from
from soundloom.pairs.windows import WindowBatches

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed; it is optional"),
]
SCRIPTS = REPOSITORY / "base" / "accelerator"
# Both in one process, without TensorFlow, as where there is a GPU.
BOTH = """
import sys
sys.modules["tensorflow"] = None
import density, texture
texture.main()
density.main()
"""
CONFIG = model_config(
    "density",
    conditioning=["style", "beat_clock", "harmony_plan"],
    # Matrices thinner than 8 are Adam's: Muon takes long to compile, and the head has enough.
    backbone__units=7,
    backbone__layers=1,
    density__hidden_units=24,
    texture__units=7,
    texture__layers=1,
)


def batches(part: str, seed: int | None = None) -> WindowBatches:
    """Windows of 128 steps, the shortest that the texture is trained on."""
    starts = {"train": range(0, 400, 16), "validation": range(8, 400, 64)}[part]
    return windows_from(starts, seed, window_frames=256)


def test_a_bundle_is_trained_and_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    bundle, out = tmp_path / "bundle", tmp_path / "out"
    bundle.mkdir()
    start_keras(0, threads=1)
    load_script("base/accelerator/bundle.py").write_bundle(bundle, CONFIG, small_codec(), batches)
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(small_params() | {"model": CONFIG.model_dump()}))
    # One call each, of ten steps, with as little compiling as there can be.
    path = os.pathsep.join(
        [str(REPOSITORY / "src"), str(SCRIPTS), os.environ.get("PYTHONPATH", "")]
    )
    flags = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    options = ["--params", str(params), "--seconds", "0.1", "--batch", "4"]
    done = subprocess.run(
        [sys.executable, "-c", BOTH, str(bundle), str(out), *options],
        env={**os.environ, **flags, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("10 steps, held out") == 2
    collect = load_script("base/accelerator/collect.py")
    model = collect.collected(bundle, out, CONFIG, small_codec(), batches("train"))
    continued = sample(model, 0)
    assert continued.shape == (1, 40, N_BINS)
    assert np.isfinite(continued).all()
