"""Stage ``train``: fit the model on training windows, keep its best weights and its history."""

from __future__ import annotations

from soundloom.common.io import folder_written_aside, write_json, write_rows
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import (
    FRAMES_FOLDER,
    GENERATOR_FOLDER,
    HISTORY_FILE,
    PAIRS_FOLDER,
    metrics_file,
)
from soundloom.models.config import ModelConfig
from soundloom.pairs.files import PairsFolder
from soundloom.spectral.files import FrameFolder
from soundloom.training.augment import Augment
from soundloom.training.config import TrainConfig
from soundloom.training.live import LiveReport


def main() -> None:
    """Run the stage."""
    config, model_config = TrainConfig.load(), ModelConfig.load()
    start_keras(config.seed, config.threads)
    from soundloom.models.files import save_generator
    from soundloom.models.registry import build_model
    from soundloom.training.fit import summarise, train

    frames = FrameFolder(FRAMES_FOLDER)
    pairs = PairsFolder(PAIRS_FOLDER, frames.read)
    batches = pairs.batches("train", batch_size=config.batch_size, seed=config.seed)
    held_out = pairs.batches("validation", batch_size=config.batch_size, seed=None)
    codec = frames.read_codec()
    vary = Augment(config.augment, codec) if config.augment.share > 0 else None
    with LiveReport() as live:
        model = build_model(model_config, codec.config.n_bins, codec.frames_per_second, batches)
        model, history = train(model, batches, held_out, config, vary=vary, on_epoch=live.epoch)
    with folder_written_aside(GENERATOR_FOLDER) as aside:
        save_generator(aside, model, codec, model_config)
    write_rows(HISTORY_FILE, history)
    summary = summarise(model, history, model.baseline_losses(batches, held_out))
    write_json(metrics_file("train"), summary)
