"""What every model does, whatever it is made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hostile_models import (
    ANYTHING,
    ARRAYS,
    CODEC,
    MODEL,
    THOROUGH,
    UNSUMMED,
    WEIGHTS,
    Damage,
    damaged,
    folders,
    judge,
    write_sums_anew,
)
from small_models import (
    N_BINS,
    N_LATENTS,
    History,
    batches,
    built,
    frames,
    model_config,
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


def test_training_goes_on_from_what_a_base_has_learnt(fitted: Fitted, tmp_path: Path) -> None:
    name, model, history = fitted
    save(tmp_path / "base", model, name)
    from soundloom.models.files import load_base

    best = min(row["val_loss"] for row in history)
    again = load_base(tmp_path / "base", whole_config(name), small_codec())
    again = again.adapted(whole_config(name), batches("train", seed=0))
    _, (row,) = trained(again, train_config(epochs=1, learning_rate=1e-7))
    assert row["val_loss"] == pytest.approx(best, rel=1e-3)


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


def test_training_and_validation_use_a_models_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last step counts: the losses reported are those of the last step alone.

    Any model will do: training hands the weights to its loss, which the test above is about.
    """
    model = built("lstm")
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


def test_progress_goes_through_all_frames_and_may_end_it(fitted: Fitted) -> None:
    _, model, _ = fitted
    shares = []

    def through(steps: range) -> Iterator[int]:
        for done, step in enumerate(steps):
            shares.append(done / len(steps))
            yield step
            if len(shares) == 100:
                raise InterruptedError

    def drawn(n_frames: int) -> np.ndarray:
        rngs, prompt = [np.random.default_rng(0)], frames()[None, 400:440]
        return model.sample(prompt, n_frames, temperature=1.0, rngs=rngs, progress=through)

    np.testing.assert_array_equal(drawn(40), sample(model, 0))
    assert shares[0] == 0.0
    assert 0.9 < shares[-1] < 1.0
    assert shares == sorted(shares)
    with pytest.raises(InterruptedError):
        drawn(400)


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


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_a_folder_that_an_older_version_wrote_is_what_it_was(tmp_path: Path, name: str) -> None:
    """One from before there were a base, turns, textures and latents that are drawn together."""
    config = model_config(name, turns=0, density__singly=5, density__together=1)
    model = built(config)
    from soundloom.models.files import load_generator, save_generator

    save_generator(tmp_path, model, small_codec(), config)
    document = json.loads((tmp_path / MODEL).read_text())
    for key in ("base", "turns", "texture"):
        del document["config"][key]
    for key in ("singly", "together"):
        del document["config"]["density"][key]
    (tmp_path / MODEL).write_text(json.dumps(document))
    write_sums_anew(tmp_path)
    loaded, _ = load_generator(tmp_path)
    np.testing.assert_array_equal(sample(loaded, 0, 1), sample(model, 0, 1))
    # No version had the one of these without the other.
    document["config"]["density"]["together"] = 1
    (tmp_path / MODEL).write_text(json.dumps(document))
    write_sums_anew(tmp_path)
    with pytest.raises(SoundloomError, match=r"model\.json: model\.density\.singly is missing$"):
        load_generator(tmp_path)


def test_training_twice_gives_the_same_bytes(fitted: Fitted, tmp_path: Path) -> None:
    name, model, history = fitted
    again, history_again = trained(built(whole_config(name)), train_config())
    assert history_again == history
    assert save(tmp_path / "a", model, name) == save(tmp_path / "b", again, name)


def test_the_shapes_of_arrays_are_as_declared(fitted: Fitted) -> None:
    name, model, _ = fitted
    declared = type(model).shapes(whole_config(name), N_BINS)
    assert {key: array.shape for key, array in model.arrays().items()} == declared


def test_a_folder_without_its_files(tmp_path: Path) -> None:
    built("lstm")
    from soundloom.models.files import load_generator

    with pytest.raises(SoundloomError, match=r"SHA256SUMS: no such file"):
        load_generator(tmp_path)


def change_arrays(folder: Path, **changes: Any) -> None:
    """Arrays set to others; to None: gone."""
    with np.load(folder / ARRAYS) as archive:
        arrays = {**archive, **changes}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(folder / ARRAYS, **kept)


def take_from(name: str, *files: str) -> Callable[[Path], None]:
    """Exchange files for those of another folder."""

    def take(folder: Path) -> None:
        for file in files:
            shutil.copy(folders()[name] / file, folder / file)

    return take


def drop_a_layer(folder: Path) -> None:
    with h5py.File(folder / WEIGHTS, "r+") as file:
        del file["layers/mixture_head"]


@pytest.mark.parametrize(
    ("damage", "sums_anew", "error"),
    [
        # By accident: whatever it is, the sums tell.
        (take_from("rate", CODEC), False, r"codec\.json: damaged, or not from here: its SHA-256"),
        (take_from("other", WEIGHTS), False, r"weights\.h5: damaged, or not from here"),
        (lambda folder: (folder / ARRAYS).write_bytes(b""), False, r"arrays\.npz: damaged"),
        # By somebody who wrote sums of what is there now.
        (lambda folder: np.savez(folder / ARRAYS), True, r"arrays\.npz: not .*: they must be extr"),
        (lambda folder: change_arrays(folder, stds=None), True, r"arrays\.npz: .* they must be"),
        (
            lambda folder: change_arrays(folder, extremes=np.ones((2, 1), np.float32)),
            True,
            r"arrays\.npz: .*: extremes has shape \(2, 1\) of float32; it must be \(2, 12\) of",
        ),
        (
            lambda folder: change_arrays(folder, stds=np.array(["1"] * N_LATENTS)),
            True,
            r"arrays\.npz: .*: stds has shape \(12,\) of <U1; it must be \(12,\) of floats",
        ),
        (
            lambda folder: change_arrays(folder, stds=np.full(N_LATENTS, np.nan)),
            True,
            r"arrays\.npz: .*: stds holds NaN or infinity",
        ),
        (take_from("bins", CODEC), True, r"arrays\.npz: .*: mean has shape \(2, 24\) .*\(2, 25\)"),
        (
            take_from("wider", WEIGHTS),
            True,
            r"network\.weights\.h5: not the weights of the model in",
        ),
        (take_from("tokens", MODEL), True, r"arrays\.npz: .*: they must be codebooks"),
        (take_from("lstm", WEIGHTS), True, r"network\.weights\.h5: "),
        (drop_a_layer, True, r"network\.weights\.h5: "),
        (
            lambda folder: (folder / MODEL).write_text("[]"),
            True,
            r"model\.json: model is None; it must be a section of keys",
        ),
        (
            lambda folder: (folder / CODEC).write_text("{}"),
            True,
            r"codec\.json: sample_rate_hz is missing",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, damage: Callable[[Path], object], sums_anew: bool, error: str
) -> None:
    from soundloom.models.files import load_generator

    shutil.copytree(folders()["density"], tmp_path / "generator")
    damage(tmp_path / "generator")
    if sums_anew:
        write_sums_anew(tmp_path / "generator")
    with pytest.raises(SoundloomError, match=error) as refused:
        load_generator(tmp_path / "generator")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", [*ANYTHING, *UNSUMMED, *THOROUGH], ids=lambda one: one.__name__)
def test_whatever_befalls_a_folder_is_refused_by_name_or_right(
    damage: Damage, tmp_path: Path
) -> None:
    """Thousands more: ``bench/hostile_models.py``."""
    for number, name in enumerate(NAMES):
        folder = tmp_path / name
        damaged(name, damage, number, folder, sums_anew=damage not in UNSUMMED)
        judge(folder)
