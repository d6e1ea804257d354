"""Stage ``train``: fit the model on training windows, keep its best weights and its history.

A training that was stopped goes on after its last whole epoch, if nothing that it is made of has
changed since; otherwise it begins anew.
"""

from __future__ import annotations

from soundloom.common.errors import warn
from soundloom.common.io import folder_written_aside, write_json, write_rows
from soundloom.common.keras_setup import start_keras
from soundloom.common.params import read_params
from soundloom.common.paths import (
    BASE_FOLDER,
    FRAMES_FOLDER,
    GENERATOR_FOLDER,
    HISTORY_FILE,
    PAIRS_FOLDER,
    PIPELINE_FILE,
    metrics_file,
)
from soundloom.models.config import ModelConfig
from soundloom.pairs.files import PairsFolder
from soundloom.spectral.files import FrameFolder
from soundloom.training.augment import Augment
from soundloom.training.config import TrainConfig
from soundloom.training.live import LiveReport

_ANEW = "training begins anew: others that have not ended are of other code, parameters or data"


def main() -> None:
    """Run the stage."""
    config, model_config = TrainConfig.load(), ModelConfig.load()
    start_keras(config.seed, config.threads)
    from soundloom.models.files import load_base, save_generator
    from soundloom.models.registry import build_model, rebuild_model
    from soundloom.training.files import Checkpoint, fingerprint_of
    from soundloom.training.fit import libraries, summarise, train

    frames = FrameFolder(FRAMES_FOLDER)
    pairs = PairsFolder(PAIRS_FOLDER, frames.read)
    batches = pairs.batches("train", batch_size=config.batch_size, seed=config.seed)
    held_out = pairs.batches("validation", batch_size=config.batch_size, seed=None)
    codec = frames.read_codec()
    vary = Augment(config.augment, codec) if config.augment.share > 0 else None
    dependencies = read_params(PIPELINE_FILE)["stages"]["train"]["deps"]
    settings = [config.model_dump(), model_config.model_dump(), libraries()]
    checkpoint = Checkpoint(fingerprint_of(dependencies, settings))
    with LiveReport() as live:
        shape = (codec.config.n_bins, codec.frames_per_second)
        if kept := checkpoint.read():
            n_done = len(kept.progress.history)
            print(f"training goes on after epoch {n_done}, where it stopped", flush=True)
            model = rebuild_model(model_config, *shape, kept.arrays)
            for row in kept.progress.history:
                live.epoch(row)
        else:
            if checkpoint.has_others():
                print(_ANEW, flush=True)
            if model_config.base == "none":
                model = build_model(model_config, *shape, batches)
            else:
                model = load_base(BASE_FOLDER, model_config, codec)
                model = model.adapted(model_config, batches)
        model, history = train(
            model, batches, held_out, config, vary=vary, on_epoch=live.epoch,
            before=kept.progress if kept else None,
            on_progress=checkpoint.writer(model.arrays()),
        )  # fmt: skip
        with folder_written_aside(GENERATOR_FOLDER) as aside:
            save_generator(aside, model, codec, model_config)
        write_rows(HISTORY_FILE, history)
        summary = summarise(model, history, model.baseline_losses(batches, held_out))
        write_json(metrics_file("train"), summary)
    checkpoint.drop()
    if "warning" in summary:
        warn(summary["warning"])
