"""Stage ``train``: fit the model on training windows, keep its best weights and its history.

A training that was stopped goes on after its last whole epoch, if nothing that it is made of has
changed since; otherwise it begins anew.
"""

from __future__ import annotations

from soundloom.common.config import ComputeConfig
from soundloom.common.errors import SoundloomError, warn
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
from soundloom.training.progress import Progress

_ANEW = "training begins anew: others that have not ended are of other code, parameters or data"


def main() -> None:
    """Run the stage."""
    config, model_config = TrainConfig.load(), ModelConfig.load()
    compute = ComputeConfig.load()
    start_keras(config.seed, config.threads)
    from soundloom.models.files import load_base, save_generator
    from soundloom.models.registry import build_model, rebuild_model
    from soundloom.training.devices import n_devices, use_devices
    from soundloom.training.files import Checkpoint, fingerprint_of
    from soundloom.training.fit import libraries, nothing_learnt, summarise, train
    from soundloom.training.listen import loudest, take

    use_devices(compute.devices)
    frames = FrameFolder(FRAMES_FOLDER)
    pairs = PairsFolder(PAIRS_FOLDER, frames.read)
    batches = pairs.batches("train", batch_size=config.batch_size, seed=config.seed)
    held_out = pairs.batches("validation", batch_size=config.batch_size, seed=None)
    codec = frames.read_codec()
    vary = Augment(config.augment, codec) if config.augment.share > 0 else None
    dependencies = read_params(PIPELINE_FILE)["stages"]["train"]["deps"]
    settings = [
        # What one listens to on the way changes nothing of it.
        config.model_dump(exclude={"listen_every"}),
        model_config.model_dump(),
        libraries(),
        n_devices(),
    ]
    checkpoint = Checkpoint(fingerprint_of(dependencies, settings))
    with LiveReport() as live:
        shape = (codec.n_bins, codec.frames_per_second)
        if kept := checkpoint.read():
            n_done = len(kept.progress.history)
            print(f"training goes on after epoch {n_done}, where it stopped", flush=True)
            model = rebuild_model(model_config, *shape, kept.arrays)
        else:
            if checkpoint.has_others():
                print(_ANEW, flush=True)
            if model_config.base == "none":
                model = build_model(model_config, *shape, batches)
            else:
                model = load_base(BASE_FOLDER, model_config, codec)
                model = model.adapted(model_config, batches)
        baselines = model.baseline_losses(batches, held_out)
        print(nothing_learnt(baselines), flush=True)
        live.begin(config.epochs, baselines, kept.progress.history if kept else ())
        for file in checkpoint.takes():
            live.take(file)
        in_training, prompt = model, loudest(held_out)
        keep = checkpoint.writer(model.arrays())

        def after_epoch(progress: Progress) -> None:
            epoch = len(progress.history)
            if config.listen_every and epoch % config.listen_every == 0:
                try:
                    samples = take(in_training, codec, prompt, held_out)
                    file = checkpoint.write_take(epoch, samples, codec.sample_rate_hz)
                except SoundloomError as error:
                    warn(f"epoch {epoch} cannot be listened to: {error}")
                else:
                    live.take(file)
            keep(progress)  # comes last: an epoch that was not listened to is done again

        model, history = train(
            model, batches, held_out, config, vary=vary, on_epoch=live.epoch,
            before=kept.progress if kept else None, on_progress=after_epoch,
        )  # fmt: skip
        with folder_written_aside(GENERATOR_FOLDER) as aside:
            save_generator(aside, model, codec, model_config)
        write_rows(HISTORY_FILE, history)
        summary = summarise(model, history, baselines)
        write_json(metrics_file("train"), summary)
    checkpoint.drop()
    if "warning" in summary:
        warn(summary["warning"])
    else:
        print(f"the model is trained: {summary['in_words']}")
