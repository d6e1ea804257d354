"""Gradient descent: what is trained on, what is judged by, when it ends and what it leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from small_models import N_BINS, batches, built, model_config, train_config, trained

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.01), ("muon", 0.01)])
def test_optimizers_descend(optimizer: str, rate: float) -> None:
    config = train_config(epochs=3, optimizer=optimizer, learning_rate=rate)
    model, history = trained(built("density"), config)
    assert history[-1]["loss"] < history[0]["loss"] - 0.05
    assert type(model.network.optimizer).__name__.lower() == optimizer


@pytest.mark.parametrize("changes", [{"backbone__units": 1}, {"conditioning": []}])
def test_muon_trains_matrices_that_are_none(changes: dict[str, Any]) -> None:
    """Of one column, and of no row."""
    config = train_config(epochs=1, optimizer="muon")
    _, history = trained(built(model_config("density", **changes)), config)
    assert np.isfinite(history[-1]["val_loss"])


def test_another_seed_gives_another_training() -> None:
    one, other = (trained(built("lstm"), train_config(epochs=1, seed=seed))[1] for seed in (0, 1))
    assert one == trained(built("lstm"), train_config(epochs=1, seed=0))[1]
    # An LSTM draws nothing itself: what differs is the order, and what its noise layer draws.
    assert [row["epoch"] for row in other] == [1]


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

    config = train_config(epochs=2)
    _, history = trained(built("lstm"), config, vary=vary)
    assert {windows.shape[1:] for windows in met} == {(33, N_BINS)}
    assert len(met) >= 2 * len(batches("train"))
    assert trained(built("lstm"), config, vary=vary)[1] == history
    held_out = next(iter(batches("validation").epoch(0)))
    assert not any(np.array_equal(windows[:1], held_out[:1]) for windows in met)
