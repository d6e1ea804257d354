"""The interface every model keeps, and what is particular to each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from projects import REPOSITORY
from recordings import music
from soundloom.common.errors import SoundloomError
from soundloom.common.keras_setup import start_keras
from soundloom.config import load_config
from soundloom.models.config import ModelConfig
from soundloom.training.config import TrainConfig

start_keras(seed=0, threads=1)

import keras  # noqa: E402

from soundloom.models.registry import MODELS, build_model, load_generator, save_generator
from soundloom.pairs.windows import WindowBatches
from soundloom.spectral.codec import FrameCodec
from soundloom.training.fit import best_epoch, summarise, train

CONFIG = load_config(REPOSITORY / "params.yaml")
N_BINS = 24
# A model's name, the model trained for a few epochs, and its history.
Fitted = tuple[str, Any, list[dict[str, float]]]
TRAIN = CONFIG.train.model_copy(
    update={"epochs": 6, "batch_size": 8, "optimizer": "adam", "learning_rate": 0.01}
)


def model_config(name: str, relative: bool = False) -> ModelConfig:
    """A model of ``name`` small enough to train within seconds."""
    smaller: dict[str, dict[str, Any]] = {
        "lstm": {"units": 24},
        "latents": {"n_latents": 12, "detail_units": 16, "detail_epochs": 2},
        "backbone": {"units": 24, "dropout": 0.0, "relative": relative},
        "tokens": {"levels": 3, "codes": 16, "hidden_units": 24, "dropout": 0.0},
        "density": {"components": 2, "hidden_units": 48, "dropout": 0.0, "input_noise": 0.5},
    }
    sections = {
        section: getattr(CONFIG.model, section).model_copy(update=changes)
        for section, changes in smaller.items()
    }
    return CONFIG.model.model_copy(update={"name": name, **sections})


def small_codec() -> FrameCodec:
    changes = {"n_fft": 1024, "n_mels": N_BINS, "griffin_lim_iterations": 2}
    config = CONFIG.spectrogram.model_copy(update=changes)
    samples = music(8, 22_050)
    return FrameCodec.fit([FrameCodec.level_range(samples, config, 22_050)], config, 22_050)


FRAMES_PER_SECOND = small_codec().frames_per_second
FRAMES = small_codec().encode(music(8, 22_050))


def batches(part: str, seed: int | None = None, batch_size: int = 8) -> WindowBatches:
    starts = {"train": range(0, 480, 8), "validation": range(4, 480, 32)}[part]
    index = np.array([(0, start) for start in starts], np.int32)
    return WindowBatches(
        lambda _: FRAMES,
        index,
        window_frames=32,
        batch_size=batch_size,
        shard_windows=16,
        seed=seed,
    )


def trained(
    name: str, config: TrainConfig = TRAIN, relative: bool = False
) -> tuple[Any, list[dict[str, float]]]:
    start_keras(config.seed, threads=1)
    model = build_model(model_config(name, relative), small_codec())
    history = train(model, batches("train", seed=0), batches("validation"), config)
    return model, history


@pytest.fixture(scope="module", params=sorted(MODELS))
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return request.param, *trained(request.param, relative=True)


def rngs(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def sample(model: Any, *seeds: int, temperature: float = 1.0, n_frames: int = 40) -> np.ndarray:
    prompts = np.stack([FRAMES[400:440]] * len(seeds))
    return model.sample(prompts, n_frames, temperature=temperature, rngs=rngs(*seeds))


def test_muon_descends() -> None:
    model, history = trained("density", TRAIN.model_copy(update={"epochs": 3, "optimizer": "muon"}))
    assert history[-1]["loss"] < history[0]["loss"] - 0.05
    assert isinstance(model.network.optimizer, keras.optimizers.Muon)


def test_training_learns(fitted: Fitted) -> None:
    _, model, history = fitted
    assert isinstance(model.network.optimizer, keras.optimizers.Adam)
    assert [row["epoch"] for row in history] == list(range(1, len(history) + 1))
    assert history[-1]["loss"] < history[0]["loss"]
    best = best_epoch(history)["val_loss"]
    for baseline in model.baseline_losses(batches("train"), batches("validation")).values():
        assert best < 0.9 * baseline


def test_the_best_weights_are_kept(fitted: Fitted) -> None:
    _, model, history = fitted
    model.network.compile(loss=model.loss())
    losses, counts = [], []
    for windows in batches("validation").epoch(0):
        losses.append(float(model.network.test_on_batch(*model.example(windows))))
        counts.append(len(windows))
    loss = np.average(losses, weights=counts)
    assert loss == pytest.approx(best_epoch(history)["val_loss"], rel=1e-3)


def test_samples_are_frames(fitted: Fitted) -> None:
    _, model, _ = fitted
    frames = sample(model, 0, 1, n_frames=600)
    assert frames.shape == (2, 600, N_BINS)
    assert frames.dtype == np.float32
    assert 0.0 <= frames.min() <= frames.max() <= 1.0
    assert np.isfinite(frames).all()
    assert frames.std() > 0.01


def test_chance_comes_from_the_generators_alone(fitted: Fitted) -> None:
    _, model, _ = fitted
    first = sample(model, 0, 1)
    np.testing.assert_array_equal(sample(model, 0, 1), first)
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_allclose(sample(model, 1, 0)[::-1], first, atol=1e-5)


def test_temperature_0_leaves_nothing_to_chance(fitted: Fitted) -> None:
    _, model, _ = fitted
    cold = sample(model, 0, 1, temperature=0.0)
    np.testing.assert_allclose(cold[0], cold[1], atol=1e-5)
    assert np.abs(sample(model, 0) - cold[:1]).mean() > 1e-3


def test_a_longer_continuation_begins_as_a_shorter_one(fitted: Fitted) -> None:
    _, model, _ = fitted
    long, short = sample(model, 0, n_frames=60), sample(model, 0, n_frames=20)
    np.testing.assert_allclose(long[:, :20], short, atol=1e-5)


def test_a_prompt_of_one_frame(fitted: Fitted) -> None:
    _, model, _ = fitted
    frames = model.sample(FRAMES[None, :1], 5, temperature=0.0, rngs=rngs(0))
    assert frames.shape == (1, 5, N_BINS)


def test_saving_and_loading(fitted: Fitted, tmp_path: Path) -> None:
    name, model, _ = fitted
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_generator(tmp_path / folder, model, small_codec(), model_config(name, relative=True))
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    loaded, codec = load_generator(tmp_path / "a")
    np.testing.assert_array_equal(sample(loaded, 0, 1), sample(model, 0, 1))
    assert codec.to_json() == small_codec().to_json()


def test_training_twice_gives_the_same_bytes(fitted: Fitted, tmp_path: Path) -> None:
    name, *once = fitted
    saved = []
    for folder, (model, history) in (("a", once), ("b", trained(name, relative=True))):
        (tmp_path / folder).mkdir()
        save_generator(tmp_path / folder, model, small_codec(), model_config(name, relative=True))
        files = sorted((tmp_path / folder).iterdir())
        saved.append((history, [file.read_bytes() for file in files]))
    assert saved[0] == saved[1]


def test_another_seed_gives_another_model() -> None:
    config = TRAIN.model_copy(update={"epochs": 1})
    one, other = (trained("lstm", config.model_copy(update={"seed": seed}))[1] for seed in (0, 1))
    assert one != other


def test_every_epoch_is_judged_by_every_held_out_window_once() -> None:
    resting = TRAIN.model_copy(update={"epochs": 4, "learning_rate": 1e-7})
    start_keras(0, threads=1)
    model = build_model(model_config("lstm"), small_codec())
    held_out = batches("validation", batch_size=2)
    history = train(model, batches("train", 0), held_out, resting)
    losses, sizes = [], []
    for inputs, targets in map(model.example, held_out.epoch(0)):
        losses.append(model.network.evaluate(inputs, targets, verbose=0))
        sizes.append(len(targets))
    assert len(losses) > 3
    assert max(losses) > 1.1 * min(losses)  # other batches, another mean
    expected = pytest.approx(np.average(losses, weights=sizes), rel=1e-4)
    assert [row["val_loss"] for row in history] == [expected] * 4


def test_early_stopping_and_the_summary() -> None:
    rows: list[dict[str, float]] = []
    start_keras(0, threads=1)
    model = build_model(model_config("lstm"), small_codec())
    config = TRAIN.model_copy(update={"epochs": 50, "patience": 1, "learning_rate": 0.3})
    history = train(model, batches("train", 0), batches("validation"), config, on_epoch=rows.append)
    assert rows == history
    assert len(history) < 50
    summary = summarise(model, history, {"training_mean": 1.0})
    assert summary["epochs"] == len(history)
    assert summary["val_loss"] == min(row["val_loss"] for row in history)
    assert summary["n_parameters"] == model.network.count_params()


def test_the_cosine_schedule_ends_at_0() -> None:
    start_keras(0, threads=1)
    model = build_model(model_config("lstm"), small_codec())
    config = TRAIN.model_copy(update={"epochs": 4, "schedule": "cosine"})
    rates = [
        row["learning_rate"]
        for row in train(model, batches("train", 0), batches("validation"), config)
    ]
    # At the end of each quarter of half a cosine.
    np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(1, 5) / 4)), atol=1e-7)


def test_training_windows_are_varied_and_held_out_ones_are_not() -> None:
    met: list[np.ndarray] = []

    def vary(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        met.append(windows)
        return rng.permutation(windows, axis=2)[:, 1:]

    start_keras(0, threads=1)
    model = build_model(model_config("lstm"), small_codec())
    config = TRAIN.model_copy(update={"epochs": 2})
    history = train(model, batches("train", 0), batches("validation"), config, vary=vary)
    assert {windows.shape[1:] for windows in met} == {(33, N_BINS)}
    assert len(met) >= 2 * len(batches("train"))
    start_keras(0, threads=1)
    again = build_model(model_config("lstm"), small_codec())
    repeated = train(again, batches("train", 0), batches("validation"), config, vary=vary)
    assert repeated == history
    held_out = next(iter(batches("validation").epoch(0)))
    assert not any(np.array_equal(windows[:1], held_out[:1]) for windows in met)


def test_what_is_no_generator(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"codec\.json: no such file"):
        load_generator(tmp_path)
    save_generator(
        tmp_path,
        build_model(model_config("lstm"), small_codec()),
        small_codec(),
        model_config("lstm"),
    )
    (tmp_path / "network.weights.h5").write_bytes(b"not weights")
    with pytest.raises(SoundloomError, match="not a trained generator"):
        load_generator(tmp_path)


def test_an_untrained_lstm_repeats_the_last_frame() -> None:
    model = build_model(model_config("lstm"), small_codec())
    context = np.clip(FRAMES[None, 100:120], 0.01, 0.99)
    np.testing.assert_allclose(model.network.predict_on_batch(context), context, atol=1e-5)


def test_the_lstms_noise_has_the_covariance_of_its_errors() -> None:
    model, _ = trained("lstm", TRAIN.model_copy(update={"epochs": 1}))
    errors = np.concatenate(
        [
            (following - model.network.predict_on_batch(context)).reshape(-1, N_BINS)
            for context, following in map(model.example, batches("validation").epoch(0))
        ]
    )
    factor = model._residual_factor
    np.testing.assert_allclose(factor @ factor.T, errors.T @ errors / len(errors), atol=1e-5)
