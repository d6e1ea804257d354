"""What models of latents share: detail, normalisation, features, and the rollout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from small_models import N_BINS, N_LATENTS, built, frames, model_config
from soundloom.models.config import CONDITIONING
from soundloom.models.instance_norm import InstanceNorm, statistics_of
from soundloom.models.latents import Latents

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
NAMES = ("density", "tokens")


def continued(model: Any, prompt: np.ndarray, n_frames: int, temperature: float = 1.0) -> Any:
    rngs = [np.random.default_rng(0)]
    return model.sample(prompt, n_frames, temperature=temperature, rngs=rngs)


@pytest.mark.parametrize("name", NAMES)
def test_frames_get_the_detail_that_latents_lack(name: str) -> None:
    """What is drawn is out of the reach of a few components alone."""
    left = []
    for units in (0, 64):
        changes = {"latents__n_latents": 4, "latents__detail_units": units}
        model = built(model_config(name, **changes, latents__detail_epochs=20))
        drawn = continued(model, frames()[None, :200], 60)
        pca = Latents.from_arrays(model.arrays())
        inside = (drawn > 0.01) & (drawn < 0.99)
        left.append(np.abs(drawn - pca.decode(pca.encode(drawn)))[inside].mean())
    assert left[1] > 2 * left[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_continuation_lies_where_its_prompt_does(name: str) -> None:
    """A prompt on another level is continued alike on that level."""
    model = built(model_config(name, conditioning=[]))
    prompt = 0.3 + 0.02 * RNG.standard_normal((1, 60, N_BINS)).astype(np.float32)
    low, high = (continued(model, moved, 20, 0.5) for moved in (prompt, prompt + 0.1))
    # What PCA leaves out of the step from one level to the other stays out.
    assert (high - low).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kinds", [[kind] for kind in CONDITIONING] + [list(CONDITIONING)])
def test_each_kind_adds_its_own_features_and_no_other(name: str, kinds: list[str]) -> None:
    model = built(model_config(name, conditioning=kinds))
    _, at_steps, constant, _ = model.example(frames()[None, :201]).inputs
    n_at_steps = {"style": 0, "beat_clock": 36, "bar_lags": 111, "harmony_plan": 17}
    n_constant = {"style": 2 * N_LATENTS, "beat_clock": 19, "bar_lags": 0, "harmony_plan": 0}
    assert at_steps.shape == (1, 99, sum(n_at_steps[kind] for kind in kinds))
    assert constant.shape == (1, sum(n_constant[kind] for kind in kinds))
    assert at_steps.any() == (kinds != ["style"])
    assert continued(model, frames()[None, :201], 10).shape == (1, 10, N_BINS)


def test_kinds_are_applied_in_one_order_however_they_are_named() -> None:
    models = [
        built(model_config("density", conditioning=list(kinds)))
        for kinds in (CONDITIONING, CONDITIONING[::-1])
    ]
    ours, theirs = (model.example(frames()[None, :201]).inputs for model in models)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_crop_has_features_of_the_whole_window(name: str) -> None:
    kinds = ["beat_clock", "bar_lags"]
    model = built(model_config(name, conditioning=kinds, backbone__crop_frames=40))
    windows = frames()[None, :201].repeat(8, axis=0)
    rng = np.random.default_rng(3)
    example = model.example(windows, training=True, rng=rng)
    steps, at_steps, _, following = example.inputs
    assert steps.shape[1] == at_steps.shape[1] == following.shape[1] == 20
    _, all_steps, _, everything = model.example(windows).inputs
    assert everything.shape[1] == 99
    phases, all_phases = at_steps[..., :36], all_steps[0, :, :36]
    starts = [
        next(s for s in range(80) if np.array_equal(phases[row], all_phases[s : s + 20]))
        for row in range(8)
    ]
    assert len(set(starts)) > 4
    # The last value of a lag says whether there is something to look up, beyond the crop or not.
    first = 36 + 3 * N_LATENTS
    given = at_steps[..., first].any(axis=1)
    assert given.any()
    for row in np.flatnonzero(given):
        np.testing.assert_array_equal(
            at_steps[row, :, first], all_steps[row, starts[row] : starts[row] + 20, first]
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_looks_up_the_prompt_and_then_what_it_drew(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a kind of conditioning of the test's own, which notes what it is asked for."""
    built(name)  # starts Keras
    from soundloom.models.conditioning import KINDS, Conditioning, Features, Sequences, Widths

    asked: list[tuple[int, np.ndarray]] = []

    class Noting(Conditioning):
        @classmethod
        def widths(cls, n_latents: int) -> Widths:
            return Widths(constant=1, scheduled=1, looked_up=1)

        def features(self, sequences: Sequences, **_: Any) -> Features:
            batch = len(sequences.frames)
            return Features(
                constant=np.zeros((batch, 1), np.float32),
                scheduled=np.zeros((batch, sequences.n_steps, 1), np.float32),
                look_up=self.look_up,
            )

        def look_up(self, latents: np.ndarray, steps: np.ndarray) -> np.ndarray:
            asked.append((int(steps[0, 0]), latents[0].copy()))
            return np.zeros((*steps.shape, 1), np.float32)

    monkeypatch.setitem(KINDS, "style", Noting)
    model = built(model_config(name, conditioning=["style"]))
    prompt = frames()[None, :40]
    asked.clear()
    drawn = continued(model, prompt, 20)
    # 20 steps of prompt, 10 to draw: asked at each step that another follows.
    assert [step for step, _ in asked] == list(range(29))
    pca = Latents.from_arrays(model.arrays())
    weights = pca.stds / pca.stds.mean()
    standardised = pca.encode(prompt) / pca.stds
    norm = InstanceNorm.of(statistics_of(standardised))
    of_prompt = norm.normalise(standardised)[0] * weights
    of_drawn = norm.normalise(pca.encode(drawn) / pca.stds)[0] * weights
    tolerance = 1e-4 if name == "density" else 1.5  # codes are near the prompt's latents, only
    for step, latents in asked:
        n_prompt = min(step + 1, 20)
        assert np.abs(latents[:n_prompt] - of_prompt[:n_prompt]).mean() < tolerance
        assert not latents[step + 1 :].any()
    inside = ((drawn > 0.001) & (drawn < 0.999)).all(axis=-1)[0].reshape(10, 2).all(axis=1)
    last = asked[-1][1][20:29]
    np.testing.assert_allclose(last[inside[:9]], of_drawn[:9][inside[:9]], atol=2e-3)
