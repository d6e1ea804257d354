"""Gradient descent: what is trained on, what is judged by, when it ends and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from small_models import (
    N_BINS,
    RATE_HZ,
    batches,
    built,
    model_config,
    small_codec,
    train_config,
    trained,
)
from soundloom.common.errors import SoundloomError
from soundloom.common.keras_setup import start_keras
from soundloom.models.config import ModelConfig
from soundloom.pairs.windows import Batches
from soundloom.training.progress import OnProgress, Progress

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.01), ("muon", 0.01)])
def test_optimizers_descend(optimizer: str, rate: float) -> None:
    config = train_config(epochs=3, optimizer=optimizer, learning_rate=rate)
    model, history = trained(built("lstm"), config)
    assert history[-1]["loss"] < 0.95 * history[0]["loss"]
    assert type(model.network.optimizer).__name__.lower() == optimizer


def test_muon_trains_matrices_that_are_none() -> None:
    """Of one column, and of no row."""
    model = built(model_config("density", backbone__units=1, conditioning=[]))
    shapes = {weight.shape for weight in model.network.trainable_variables}
    assert any(shape[-1] == 1 and len(shape) == 2 for shape in shapes), shapes
    assert any(shape[0] == 0 for shape in shapes), shapes
    _, history = trained(model, train_config(epochs=1, optimizer="muon"))
    assert np.isfinite(history[-1]["val_loss"])


def test_another_seed_gives_another_training() -> None:
    def vary(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return windows * rng.uniform(0.5, 1.0, (len(windows), 1, 1)).astype(np.float32)

    # That the same seed gives the same training, tests/models/test_models.py shows.
    one, other = (
        trained(built("lstm"), train_config(epochs=1, seed=seed), vary=vary)[1] for seed in (0, 1)
    )
    assert [row["epoch"] for row in one] == [row["epoch"] for row in other] == [1]
    assert one[0]["loss"] != other[0]["loss"]


def test_every_epoch_is_judged_by_every_held_out_window_once() -> None:
    from soundloom.training.fit import train

    model, held_out = built("lstm"), batches("validation", batch_size=2)
    config = train_config(epochs=4, learning_rate=1e-7)
    _, history = train(model, batches("train", 0), held_out, config)
    losses, sizes = [], []
    for example in map(model.example, held_out.epoch(0)):
        outputs = model.network.predict_on_batch(example.inputs)
        losses.append(float(model.loss(example.targets, outputs)))
        sizes.append(len(example.targets))
    assert len(losses) > 3
    assert max(losses) > 1.1 * min(losses)  # other batches, another mean
    expected = pytest.approx(np.average(losses, weights=sizes), rel=1e-4)
    assert [row["val_loss"] for row in history] == [expected] * 4


def test_early_stopping_and_the_summary() -> None:
    rows: list[dict[str, float]] = []
    config = train_config(epochs=50, patience=1, learning_rate=0.3)
    model, history = trained(built("lstm"), config, on_epoch=rows.append)
    from soundloom.training.fit import summarise

    assert rows == history
    assert len(history) < 50
    summary = summarise(model, history, {"training_mean": 1.0})
    assert summary["epochs"] == len(history)
    assert summary["val_loss"] == min(row["val_loss"] for row in history)
    assert summary["n_parameters"] == model.network.count_params()


def test_the_cosine_schedule_ends_at_0() -> None:
    _, history = trained(built("lstm"), train_config(epochs=4, schedule="cosine"))
    rates = [row["learning_rate"] for row in history]
    # At the end of each quarter of half a cosine.
    np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(1, 5) / 4)), atol=1e-7)


def test_training_windows_are_varied_and_held_out_ones_are_not() -> None:
    met: list[np.ndarray] = []

    def vary(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        met.append(windows)
        return rng.permutation(windows, axis=2)[:, 1:]

    trained(built("lstm"), train_config(epochs=2), vary=vary)
    assert {windows.shape[1:] for windows in met} == {(33, N_BINS)}
    assert len(met) >= 2 * len(batches("train"))
    held_out = next(iter(batches("validation").epoch(0)))
    assert not any(np.array_equal(windows[:1], held_out[:1]) for windows in met)


def test_a_loss_that_is_not_finite_ends_training_at_once() -> None:
    met = 0
    n_batches = len(batches("train"))

    def vary(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        nonlocal met
        met += 1
        return windows + np.float32("nan" if met == n_batches + 3 else 0.0)

    rows: list[dict[str, float]] = []
    config = train_config(epochs=4, learning_rate=0.01)
    said = r"^train\.learning_rate is 0\.01; in epoch 2 the training loss of batch 3 became nan: "
    with pytest.raises(SoundloomError, match=said):
        trained(built("lstm"), config, vary=vary, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [1]


def test_nor_may_the_validation_loss_be_anything_but_finite() -> None:
    from soundloom.training.fit import train

    broken = NotFinite(batches("validation"))
    said = "in epoch 1 the validation loss became nan: use a lower one"
    with pytest.raises(SoundloomError, match=said):
        train(built("lstm"), batches("train", seed=0), broken, train_config(epochs=2))


class NotFinite:
    """Batches of which the last is NaN."""

    def __init__(self, batches: Batches):
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        for count, windows in enumerate(self._batches.epoch(number), start=1):
            yield windows + np.float32("nan" if count == len(self) else 0.0)


DROPOUT = {"backbone__dropout": 0.2, "density__dropout": 0.1}


# What a training that stops after one of its epochs, by index, goes on from, and all that it draws.
@pytest.mark.parametrize(
    ("model", "changes", "after"),
    [
        (model_config("density", **DROPOUT, latents__detail_units=0), {"optimizer": "muon"}, [1]),
        # The best epoch is before it, and patience has begun to run out; and after its last.
        (model_config("lstm"), {"learning_rate": 0.3, "patience": 2, "epochs": 50}, [1, -1]),
    ],
    ids=["density", "lstm"],
)
def test_a_training_that_goes_on_or_is_heard_ends_as_one_that_never_stopped(
    model: ModelConfig, changes: dict[str, Any], after: list[int]
) -> None:
    from soundloom.models.registry import rebuild_model

    def vary(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return windows * rng.uniform(0.9, 1.0, (len(windows), 1, 1)).astype(np.float32)

    config = train_config(**{"epochs": 4, "schedule": "cosine", **changes})
    steps: list[Progress] = []
    start = built(model)
    arrays = start.arrays()
    whole, history = trained(start, config, vary=vary, on_progress=steps.append)
    for progress in (steps[index] for index in after):
        start_keras(1, threads=1)
        model_again = rebuild_model(model, N_BINS, small_codec().frames_per_second, arrays)
        takes: list[np.ndarray] = []
        again, same_history = trained(
            model_again,
            config,
            vary=vary,
            before=progress,
            on_progress=listening(model_again, takes),
        )
        assert same_history == history
        assert len(takes) == len(history) - len(progress.history)
        assert {len(samples) for samples in takes} <= {round(0.5 * RATE_HZ)}
        # With the same luck: what differs is what it learnt.
        assert len({samples.tobytes() for samples in takes}) == len(takes)
        for one, other in zip(everything(whole), everything(again), strict=True):
            np.testing.assert_array_equal(one, other)


def listening(model: Any, takes: list[np.ndarray]) -> OnProgress:
    """What adds half a second of the model in training to ``takes``."""
    from soundloom.training.listen import loudest, take

    held_out = batches("validation")
    prompt = loudest(held_out)
    return lambda _: takes.append(take(model, small_codec(), prompt, held_out, seconds=0.5))


def everything(model: Any) -> list[np.ndarray]:
    """All that is saved of a model."""
    return [*model.network.get_weights(), *model.arrays().values()]


@pytest.mark.parametrize(
    ("val_losses", "baselines", "said"),
    [
        (
            [1.0, 0.5], {"mean": 1.4, "last": 0.935},
            "it predicts music that it was not trained on better than what learns nothing "
            "(validation loss 0.5 against 0.935); the last of 2 epochs was the best, so more may "
            "help",
        ),
        (
            [0.5, 0.6], {"last": 0.4},
            "it predicts music that it was not trained on no better than what learns nothing "
            "(validation loss 0.5 against 0.4); epoch 1 of 2 was the best, so rather more music "
            "than more epochs may help",
        ),
        (
            [0.5], {},
            "its validation loss is 0.5; the last of 1 epochs was the best, so more may help",
        ),
    ],
)  # fmt: skip
def test_it_says_in_words_how_good_it_is(
    val_losses: list[float], baselines: dict[str, float], said: str
) -> None:
    from soundloom.training.fit import summarise

    rows = [
        {"epoch": epoch, "loss": 2.0, "val_loss": loss, "learning_rate": 1.0}
        for epoch, loss in enumerate(val_losses, start=1)
    ]
    assert summarise(built("lstm"), rows, baselines)["in_words"] == said


def test_only_a_model_worse_than_its_baselines_is_warned_of() -> None:
    from soundloom.training.fit import summarise

    rows = [{"epoch": 1, "loss": 2.0, "val_loss": 1.5, "learning_rate": 1.0}]
    model = built("lstm")
    assert "warning" not in summarise(model, rows, {"mean": 1.6, "last": 1.5})
    assert "warning" not in summarise(model, rows, {})
    warning = summarise(model, rows, {"mean": 1.4, "last": 1.25, "other": 9.0})["warning"]
    assert "its validation loss is 1.5, that of last 1.25; lower train.learning_rate" in warning
