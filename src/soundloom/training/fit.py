"""Gradient descent: batches in, the model with its best weights and the history out."""

from __future__ import annotations

import importlib
import itertools
import math
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm.keras import TqdmCallback

from soundloom.common.errors import SoundloomError
from soundloom.models.base import Example, FrameModel
from soundloom.pairs.windows import Batches
from soundloom.training.config import TrainConfig
from soundloom.training.devices import n_devices, shareable
from soundloom.training.progress import OnProgress, Progress, Row

EpochReport = Callable[[Row], None]
Variation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def train(
    model: FrameModel,
    train_batches: Batches,
    validation_batches: Batches,
    config: TrainConfig,
    *,
    vary: Variation | None = None,
    on_epoch: EpochReport | None = None,
    before: Progress | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[FrameModel, list[Row]]:
    """Train the network of ``model``; returns it calibrated at its best weights, and the history.

    The history has a row an epoch: ``epoch`` (from 1), ``loss``, ``val_loss``, ``learning_rate``;
    the best weights are those of the least ``val_loss``. ``vary`` turns each batch of training
    windows into others of one shape, anew every epoch; ``on_epoch`` is given each row as it comes.
    Training ends after a number of epochs, never of minutes: a time limit would give other bytes on
    a busier machine.

    ``on_progress`` is given all that :func:`train` needs, as ``before``, to go on after that epoch
    and end with the same bytes; the model is then to be the one that training began with, its
    network's weights apart. Raises :class:`SoundloomError` as soon as a loss is not finite.
    """
    network = model.network
    network.compile(
        optimizer=_optimizer(config, len(train_batches), network),
        loss=_ModelLoss(model),
    )
    # Or TensorFlow would trace the step twice, the first time to make what the optimizer keeps.
    network.optimizer.build(network.trainable_variables)
    if before:
        for variable, value in zip(_variables(network), before.state, strict=True):
            variable.assign(value)
    history, stopping = _History(on_epoch, before), _EarlyStopping(config.patience, before)
    n_done, bar = len(history.rows), TqdmCallback(verbose=0, desc="training")
    with closing(bar.epoch_bar):  # or what an error says would come behind it
        network.fit(
            _training_examples(model, train_batches, vary, config.seed, first_epoch=n_done),
            steps_per_epoch=len(train_batches),
            initial_epoch=n_done,
            epochs=n_done if stopping.had_stopped else config.epochs,
            callbacks=[
                _HeldOutLoss(model, validation_batches),
                _FiniteLoss(config.learning_rate),
                history,
                stopping,
                _Checkpoints(history, stopping, on_progress),
                bar,
            ],
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )
    return model.calibrated(validation_batches), history.rows


def libraries() -> list[str]:
    """Versions of what computes: another may give other bytes."""
    backend = keras.config.backend()
    modules = (keras, np, importlib.import_module(backend))
    return [backend, *(module.__version__ for module in modules)]


def nothing_learnt(baselines: dict[str, float]) -> str:
    """What the loss is to be measured by, for people, before training."""
    if not baselines:
        return "there is nothing to compare the validation loss with"
    name = min(baselines, key=baselines.__getitem__)
    return f"val_loss of what learns nothing: {baselines[name]:.3g} ({name}); lower is learnt"


def best_epoch(history: list[Row]) -> Row:
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


def _variables(network: keras.Model) -> list[Any]:
    """All that a step of gradient descent changes, in an order that is always the same."""
    return [*network.variables, *network.optimizer.variables]


def _training_examples(
    model: FrameModel, batches: Batches, vary: Variation | None, seed: int, first_epoch: int
) -> Iterator[tuple[Any, Any]]:
    for epoch in itertools.count(first_epoch):
        rng = np.random.default_rng([seed, epoch])
        for windows in batches.epoch(epoch):
            windows = vary(windows, rng) if vary else windows
            yield _as_keras_takes_it(model.example(windows, training=True, rng=rng))


def _as_keras_takes_it(example: Example) -> tuple[Any, ...]:
    """Inputs and targets, and weights where there are any, or several devices."""
    if (n := n_devices()) > 1:
        example = shareable(example, n)
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

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        examples = (
            _as_keras_takes_it(self._frame_model.example(windows))
            for windows in self._batches.epoch(0)
        )
        loss = self.model.evaluate(examples, steps=len(self._batches), verbose=0)
        if logs is not None:
            logs["val_loss"] = loss


class _FiniteLoss(keras.callbacks.Callback):
    """Ends training by an error when a loss is not finite: no later one would be."""

    def __init__(self, learning_rate: float):
        super().__init__()
        self._epoch, self._learning_rate = 0, learning_rate

    def on_epoch_begin(self, epoch: int, logs: Row | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Row | None = None) -> None:
        self._check((logs or {}).get("loss"), f"training loss of batch {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        self._check((logs or {}).get("val_loss"), "validation loss")

    def _check(self, loss: float | None, of_what: str) -> None:
        if loss is not None and not math.isfinite(loss):
            raise SoundloomError(
                f"train.learning_rate is {self._learning_rate}; in epoch {self._epoch} the "
                f"{of_what} became {float(loss)}: use a lower one"
            )


class _EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's, which can also go on from where another was."""

    def __init__(self, patience: int, before: Progress | None):
        super().__init__(monitor="val_loss", patience=patience, restore_best_weights=True)
        self._before = before

    @property
    def had_stopped(self) -> bool:
        """Whether that other had already ended its training."""
        return self._before is not None and _epochs_in_vain(self._before) >= self.patience

    def on_train_begin(self, logs: Row | None = None) -> None:
        super().on_train_begin(logs)
        if self._before:
            best = best_epoch(self._before.history)
            self.best, self.best_epoch = best["val_loss"], int(best["epoch"]) - 1
            self.best_weights = self._before.best_weights
            self.wait = _epochs_in_vain(self._before)


def _epochs_in_vain(progress: Progress) -> int:
    """Epochs since the best one."""
    return len(progress.history) - int(best_epoch(progress.history)["epoch"])


class _History(keras.callbacks.Callback):
    """Collects one row an epoch."""

    def __init__(self, on_epoch: EpochReport | None, before: Progress | None):
        super().__init__()
        self.rows: list[Row] = list(before.history) if before else []
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
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


class _Checkpoints(keras.callbacks.Callback):
    """Hands out the training's progress; comes after what it reads."""

    def __init__(self, history: _History, stopping: _EarlyStopping, on_progress: OnProgress | None):
        super().__init__()
        self._history, self._stopping, self._on_progress = history, stopping, on_progress

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        if self._on_progress:
            state = [ops.convert_to_numpy(variable) for variable in _variables(self.model)]
            self._on_progress(
                Progress(list(self._history.rows), state, self._stopping.best_weights)
            )


def summarise(model: FrameModel, history: list[Row], baselines: dict[str, float]) -> dict[str, Any]:
    """The numbers of a training worth comparing, in JSON types.

    For people, what they say ``in_words``, and a ``warning`` where the best validation loss is
    above a baseline.
    """
    best = best_epoch(history)
    warning = _warning(best["val_loss"], baselines)
    return {
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "loss": best["loss"],
        "val_loss": best["val_loss"],
        "baseline_val_loss": baselines,
        "n_parameters": model.network.count_params(),
        "in_words": _in_words(best, len(history), baselines),
        **({"warning": warning} if warning else {}),
    }


def _in_words(best: Row, n_epochs: int, baselines: dict[str, float]) -> str:
    """How good a model is at what it was trained for, and whether more epochs would help."""
    loss, nothing = best["val_loss"], min(baselines.values(), default=None)
    if nothing is None:
        verdict = f"its validation loss is {loss:.3g}"
    else:
        how = "better" if loss < nothing else "no better"
        verdict = (
            f"it predicts music that it was not trained on {how} than what learns nothing "
            f"(validation loss {loss:.3g} against {nothing:.3g})"
        )
    if best["epoch"] == n_epochs:
        outlook = f"the last of {n_epochs} epochs was the best, so more may help"
    else:
        outlook = (
            f"epoch {best['epoch']} of {n_epochs} was the best, so rather more music than more "
            "epochs may help"
        )
    return f"{verdict}; {outlook}"


def _warning(val_loss: float, baselines: dict[str, float]) -> str | None:
    """What to say of a model that predicts worse than what has learnt nothing."""
    better = {name: loss for name, loss in baselines.items() if loss < val_loss}
    if not better:
        return None
    name = min(better, key=better.__getitem__)
    return (
        f"the model is worse than a predictor that learns nothing: its validation loss is "
        f"{val_loss:.4g}, that of {name} {better[name]:.4g}; lower train.learning_rate, or raise "
        "train.epochs"
    )
