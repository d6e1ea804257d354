"""Stage ``train``: fit the model on training windows, keep its best weights and its history."""

from __future__ import annotations

from soundloom.augment import Augment
from soundloom.batches import open_batches
from soundloom.config import load_config
from soundloom.layout import (
    FRAMES_FOLDER,
    GENERATOR_FOLDER,
    HISTORY_FILE,
    PAIRS_FOLDER,
    metrics_file,
)
from soundloom.live import LiveReport
from soundloom.runtime import start_keras
from soundloom.spectrogram import FrameCodec
from soundloom.store import (
    FrameFolder,
    PairsFolder,
    folder_written_aside,
    read_json,
    write_json,
    write_rows,
)


def main() -> None:
    """Run the stage."""
    config = load_config()
    start_keras(config.train.seed, config.train.threads)
    from soundloom.models import build_model, save_generator
    from soundloom.training import summarise, train

    frames, pairs = FrameFolder(FRAMES_FOLDER), PairsFolder(PAIRS_FOLDER)
    size = config.train.batch_size
    batches = open_batches(frames, pairs, "train", batch_size=size, seed=config.train.seed)
    held_out = open_batches(frames, pairs, "validation", batch_size=size, seed=None)
    codec = FrameCodec.from_json(read_json(frames.codec_file))
    model = build_model(config.model, codec)
    vary = Augment(config.train.augment, codec) if config.train.augment.share > 0 else None
    with LiveReport() as live:
        history = train(model, batches, held_out, config.train, vary=vary, on_epoch=live.epoch)
    with folder_written_aside(GENERATOR_FOLDER) as aside:
        save_generator(aside, model, codec, config.model)
    write_rows(HISTORY_FILE, history)
    summary = summarise(model, history, model.baseline_losses(batches, held_out))
    write_json(metrics_file("train"), summary)
