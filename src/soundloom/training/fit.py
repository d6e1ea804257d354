"""Gradient descent: batches in, the model with its best weights and the history out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from soundloom.models.base import Example, FrameModel
from soundloom.pairs.windows import Batches
from soundloom.training.config import TrainConfig

EpochReport = Callable[[dict[str, float]], None]
Variation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def train(
    model: FrameModel,
    train_batches: Batches,
    validation_batches: Batches,
    config: TrainConfig,
    *,
    vary: Variation | None = None,
    on_epoch: EpochReport | None = None,
) -> tuple[FrameModel, list[dict[str, float]]]:
    """Train the network of ``model``; returns it calibrated at its best weights, and the history.

    The history has a row an epoch: ``epoch`` (from 1), ``loss``, ``val_loss``, ``learning_rate``;
    the best weights are those of the least ``val_loss``. ``vary`` turns each batch of training
    windows into others of one shape, anew every epoch; ``on_epoch`` is given each row as it comes.
    Training ends after a number of epochs, never of minutes: a time limit would give other bytes on
    a busier machine.
    """
    model.network.compile(
        optimizer=_optimizer(config, len(train_batches), model.network),
        loss=_ModelLoss(model),
    )
    # Or TensorFlow would trace the step twice, the first time to make what the optimizer keeps.
    model.network.optimizer.build(model.network.trainable_variables)
    history = _History(on_epoch)
    model.network.fit(
        _training_examples(model, train_batches, vary, config.seed),
        steps_per_epoch=len(train_batches),
        epochs=config.epochs,
        callbacks=[
            _HeldOutLoss(model, validation_batches),
            history,
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=config.patience, restore_best_weights=True
            ),
            TqdmCallback(verbose=0, desc="training"),
        ],
        shuffle=False,  # the batches come shuffled
        verbose=0,
    )
    return model.calibrated(validation_batches), history.rows


def best_epoch(history: list[dict[str, float]]) -> dict[str, float]:
    """The row with the lowest validation loss, the first of equals."""
    return min(history, key=lambda row: row["val_loss"])


def _optimizer(
    config: TrainConfig, n_batches: int, network: keras.Model
) -> keras.optimizers.Optimizer:
    """Adam (Kingma & Ba 2015) or Muon (Jordan et al. 2024, scaled as in arXiv 2502.16982)."""
    learning_rate = _learning_rate(config, n_batches)
    if config.optimizer == "muon":
        # A matrix of one row or column, or of none, has no directions to make orthogonal.
        too_thin = [
            f"^{re.escape(weight.path)}$"
            for weight in network.trainable_variables
            if min(weight.shape, default=0) < 2
        ]
        return keras.optimizers.Muon(
            learning_rate,
            weight_decay=0.0,
            adam_weight_decay=0.0,
            global_clipnorm=1.0,
            exclude_layers=too_thin,
        )
    return keras.optimizers.Adam(learning_rate, global_clipnorm=1.0)


def _learning_rate(config: TrainConfig, n_batches: int) -> Any:
    """A number, or its cosine decay over all epochs (Loshchilov & Hutter 2017)."""
    if config.schedule == "constant":
        return config.learning_rate
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * n_batches)


def _training_examples(
    model: FrameModel, batches: Batches, vary: Variation | None, seed: int
) -> Iterator[tuple[Any, Any]]:
    for epoch in itertools.count():
        rng = np.random.default_rng([seed, epoch])
        for windows in batches.epoch(epoch):
            windows = vary(windows, rng) if vary else windows
            yield _as_keras_takes_it(model.example(windows, training=True, rng=rng))


def _as_keras_takes_it(example: Example) -> tuple[Any, ...]:
    """Inputs and targets, and weights where there are any."""
    return example[:2] if example.weights is None else tuple(example)


class _ModelLoss(keras.losses.Loss):
    """The model's own loss, which does its own averaging, as Keras calls it."""

    def __init__(self, model: FrameModel):
        super().__init__(name="loss")
        self._model = model

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return self._model.loss(y_true, y_pred, sample_weight)


class _HeldOutLoss(keras.callbacks.Callback):
    """Adds ``val_loss``, over every held-out window once, to the logs of later callbacks.

    ``fit(validation_data=…)`` does not: from the second epoch on it goes over the first batches
    again and then on from where a generator had been read ahead to, which is further on some days.
    """

    def __init__(self, frame_model: FrameModel, batches: Batches):
        super().__init__()
        self._frame_model = frame_model
        self._batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        examples = (
            _as_keras_takes_it(self._frame_model.example(windows))
            for windows in self._batches.epoch(0)
        )
        loss = self.model.evaluate(examples, steps=len(self._batches), verbose=0)
        if logs is not None:
            logs["val_loss"] = loss


class _History(keras.callbacks.Callback):
    """Collects one row an epoch."""

    def __init__(self, on_epoch: EpochReport | None):
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        row = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            "val_loss": float(logs["val_loss"]),
            "learning_rate": float(self.model.optimizer.learning_rate),
        }
        self.rows.append(row)
        if self._on_epoch:
            self._on_epoch(row)


def summarise(
    model: FrameModel, history: list[dict[str, float]], baselines: dict[str, float]
) -> dict[str, Any]:
    """The numbers of a training worth comparing, in JSON types."""
    best = best_epoch(history)
    return {
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "loss": best["loss"],
        "val_loss": best["val_loss"],
        "baseline_val_loss": baselines,
        "n_parameters": model.network.count_params(),
    }
