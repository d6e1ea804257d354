"""What every model does, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_models import (
    N_BINS,
    History,
    batches,
    built,
    frames,
    sample,
    small_codec,
    train_config,
    trained,
    trained_once,
    whole_config,
)
from soundloom.common.errors import SoundloomError

pytestmark = pytest.mark.slow

NAMES = ("density", "lstm", "tokens")
Fitted = tuple[str, Any, History]


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return request.param, *trained_once(request.param)


def save(folder: Path, model: Any, name: str) -> list[bytes]:
    """Save a model to a new folder; returns the bytes of its files."""
    from soundloom.models.files import save_generator

    folder.mkdir()
    save_generator(folder, model, small_codec(), whole_config(name))
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def test_the_names_of_params_yaml_are_the_models_there_are() -> None:
    built("lstm")
    from soundloom.models.registry import MODELS

    assert set(MODELS) == set(NAMES)


def test_training_learns(fitted: Fitted) -> None:
    _, model, history = fitted
    assert [row["epoch"] for row in history] == list(range(1, len(history) + 1))
    assert history[-1]["loss"] < history[0]["loss"]
    best = min(row["val_loss"] for row in history)
    for baseline in model.baseline_losses(batches("train"), batches("validation")).values():
        assert best < 0.9 * baseline


def test_the_best_weights_are_kept(fitted: Fitted) -> None:
    _, model, history = fitted
    losses, counts = [], []
    for windows in batches("validation").epoch(0):
        example = model.example(windows)
        outputs = model.network.predict_on_batch(example.inputs)
        losses.append(float(model.loss(example.targets, outputs)))
        counts.append(len(windows))
    best = min(row["val_loss"] for row in history)
    assert np.average(losses, weights=counts) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("training", [False, True])
def test_weights_say_how_much_each_step_counts(fitted: Fitted, training: bool) -> None:
    _, model, _ = fitted
    example = model.example(frames()[None, :33], training=training, rng=np.random.default_rng(0))
    assert example.weights is None  # all alike, by default
    targets, outputs = example.targets, model.network.predict_on_batch(example.inputs)
    n_steps = targets.shape[1]
    of_steps = [
        float(model.loss(targets[:, step : step + 1], outputs[:, step : step + 1]))
        for step in range(n_steps)
    ]
    weights = np.ones((1, n_steps), np.float32)
    assert float(model.loss(targets, outputs, weights)) == pytest.approx(
        float(model.loss(targets, outputs)), rel=1e-5
    )
    weights = np.arange(1.0, n_steps + 1)[None].astype(np.float32)
    weights /= weights.mean()
    expected = np.average(of_steps, weights=weights[0])
    assert float(model.loss(targets, outputs, weights)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_training_and_validation_use_a_models_weights(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last step counts: the losses reported are those of the last step alone."""
    model = built(name)
    plain = model.example

    def weighted(windows: np.ndarray, **options: Any) -> Any:
        example = plain(windows, **options)
        weights = np.zeros(example.targets.shape[:2], np.float32)
        weights[:, -1] = 1.0
        return example._replace(weights=weights)

    monkeypatch.setattr(model, "example", weighted)
    resting = train_config(epochs=1, learning_rate=1e-7)
    _, history = trained(model, resting)
    losses, counts = [], []
    for windows in batches("validation").epoch(0):
        example = plain(windows)
        outputs = model.network.predict_on_batch(example.inputs)
        losses.append(float(model.loss(example.targets[:, -1:], outputs[:, -1:])))
        counts.append(len(windows))
    expected = np.average(losses, weights=counts)
    assert history[0]["val_loss"] == pytest.approx(expected, rel=1e-3)


def test_samples_are_frames(fitted: Fitted) -> None:
    _, model, _ = fitted
    drawn = sample(model, 0, 1, n_frames=600)
    assert drawn.shape == (2, 600, N_BINS)
    assert drawn.dtype == np.float32
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0
    assert np.isfinite(drawn).all()
    assert drawn.std() > 0.01


def test_all_randomness_is_the_generators(fitted: Fitted) -> None:
    _, model, _ = fitted
    first = sample(model, 0, 1)
    np.testing.assert_array_equal(sample(model, 0, 1), first)
    assert not np.array_equal(first[0], first[1])


def test_a_continuation_does_not_depend_on_those_beside_it(fitted: Fitted) -> None:
    _, model, _ = fitted
    together = sample(model, 0, 1, n_frames=600)
    np.testing.assert_array_equal(together[0], sample(model, 0, n_frames=600)[0])
    np.testing.assert_array_equal(together[1], sample(model, 1, 0, n_frames=600)[0])


def test_temperature_0_leaves_nothing_to_draw(fitted: Fitted) -> None:
    _, model, _ = fitted
    cold = sample(model, 0, 1, temperature=0.0)
    np.testing.assert_array_equal(cold[0], cold[1])
    assert np.abs(sample(model, 0) - cold[:1]).mean() > 1e-3


def test_a_longer_continuation_begins_as_a_shorter_one(fitted: Fitted) -> None:
    _, model, _ = fitted
    long, short = sample(model, 0, n_frames=60), sample(model, 0, n_frames=20)
    np.testing.assert_allclose(long[:, :20], short, atol=1e-5)


def test_a_prompt_of_one_frame(fitted: Fitted) -> None:
    _, model, _ = fitted
    rngs = [np.random.default_rng(0)]
    drawn = model.sample(frames()[None, :1], 5, temperature=0.0, rngs=rngs)
    assert drawn.shape == (1, 5, N_BINS)


def test_saving_and_loading(fitted: Fitted, tmp_path: Path) -> None:
    from soundloom.models.files import load_generator

    name, model, _ = fitted
    assert save(tmp_path / "a", model, name) == save(tmp_path / "b", model, name)
    loaded, codec = load_generator(tmp_path / "a")
    np.testing.assert_array_equal(sample(loaded, 0, 1), sample(model, 0, 1))
    assert codec.to_json() == small_codec().to_json()


def test_training_twice_gives_the_same_bytes(fitted: Fitted, tmp_path: Path) -> None:
    name, model, history = fitted
    again, history_again = trained(built(whole_config(name)), train_config())
    assert history_again == history
    assert save(tmp_path / "a", model, name) == save(tmp_path / "b", again, name)


def test_what_is_no_generator(tmp_path: Path) -> None:
    model = built("lstm")
    from soundloom.models.files import load_generator

    with pytest.raises(SoundloomError, match=r"codec\.json: no such file"):
        load_generator(tmp_path)
    save(tmp_path / "a", model, "lstm")
    (tmp_path / "a" / "network.weights.h5").write_bytes(b"not weights")
    with pytest.raises(SoundloomError, match="not a trained generator"):
        load_generator(tmp_path / "a")
