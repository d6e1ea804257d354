"""What models of latents are told: the style, the time, and nothing when not asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soundloom.models.backbone import Stepper
from soundloom.models.base import FrameModel
from soundloom.models.clock import N_HANDS, N_TOLD, Clock
from soundloom.models.detail import CONTEXT_STEPS
from soundloom.models.plan import N_TOLD_OF_PLAN
from soundloom.models.recall import NEVER, n_recalled
from soundloom.models.registry import MODELS
from soundloom.models.sequence import Level, style_of
from test_models import FRAMES, FRAMES_PER_SECOND, batches, model_config

RNG = np.random.default_rng(0)


def model_told(name: str = "density", **backbone: bool | int) -> FrameModel:
    config = model_config(name)
    changed = config.backbone.model_copy(update=backbone)
    model = MODELS[name].build(
        config.model_copy(update={"backbone": changed}), FRAMES.shape[1], FRAMES_PER_SECOND
    )
    model.prepare(batches("train"))
    return model


def noting_steps(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the backbone is given in sampling, a step an entry, as it comes."""
    heard: list[np.ndarray] = []
    step = Stepper.step

    def noted(stepper: Stepper, inputs: np.ndarray) -> np.ndarray:
        heard.append(inputs)
        return step(stepper, inputs)

    monkeypatch.setattr(Stepper, "step", noted)
    return heard


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_frames_get_the_detail_that_latents_lack(name: str) -> None:
    config = model_config(name)
    errors = []
    for units, gain in ((0, 1.0), (64, 1.0), (64, 0.0)):
        wanted = {"n_latents": 4, "detail_units": units, "detail_epochs": 20, "detail_gain": gain}
        latents = config.latents.model_copy(update=wanted)
        model: Any = MODELS[name].build(
            config.model_copy(update={"latents": latents}), FRAMES.shape[1], FRAMES_PER_SECOND
        )
        model.prepare(batches("train"))
        relative, _, level = model._seen(FRAMES[None, :200])
        restored = model._frames(relative, level)
        assert restored.dtype == np.float32
        errors.append(np.square(restored - FRAMES[:200]).mean())
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] == pytest.approx(errors[0])


def test_style_is_mean_and_deviation() -> None:
    frames = RNG.standard_normal((2, 50, 3)).astype(np.float32)
    style = style_of(frames)
    np.testing.assert_allclose(style[:, :3], frames.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(style[:, 3:], frames.std(axis=1), atol=1e-6)
    ramp = np.arange(100.0)[None, :, None].repeat(200, axis=0)
    parts = style_of(ramp, np.random.default_rng(0))
    lengths = np.sqrt(12 * parts[:, 1] ** 2 + 1)  # a ramp of n steps has variance (n² - 1) / 12
    assert 24.5 < lengths.min() < 35
    assert 90 < lengths.max() < 100.5


def test_latents_relative_to_their_level_have_none() -> None:
    latents = (3.0 + 2.0 * RNG.standard_normal((2, 5000, 4))).astype(np.float32)
    level = Level.of(style_of(latents))
    relative = level.relative(latents)
    np.testing.assert_allclose(relative.mean(axis=1), 0.0, atol=1e-5)
    # Of variance 4, with the least variance of 0.05 in it: 4 · 1.05 / 4.05.
    np.testing.assert_allclose(relative.var(axis=1), 4.2 / 4.05, rtol=0.03)
    np.testing.assert_allclose(level.absolute(relative), latents, atol=1e-5)
    still = Level.of(style_of(np.full((1, 10, 4), 7.0, np.float32)))
    assert np.isfinite(still.relative(latents)).all()


@pytest.mark.parametrize("name", ["density", "tokens"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_continuation_lies_where_its_prompt_does(name: str, relative: bool) -> None:
    """A prompt on another level is continued alike on that level, when no style is told."""
    model = model_told(name, relative=relative, style=False, clock=False)
    prompt = 0.3 + 0.02 * RNG.standard_normal((1, 60, FRAMES.shape[1])).astype(np.float32)
    low, high = (
        model.sample(frames, 20, temperature=0.5, rngs=[np.random.default_rng(0)])
        for frames in (prompt, prompt + 0.1)
    )
    # What PCA leaves out of the step from one level to the other stays out.
    apart = (high - low).mean()
    assert (abs(apart - 0.1) < 0.01) == relative, apart


@pytest.mark.parametrize("style", [True, False])
@pytest.mark.parametrize("clock", [True, False])
def test_each_is_told_only_when_asked(style: bool, clock: bool) -> None:
    model = model_told(style=style, clock=clock, recall=False, plan=False)
    (_, hands, told, _), _ = model.example(FRAMES[None, :201])
    assert told[:, :-N_TOLD].any() == style
    assert told[:, -N_TOLD:].any() == clock
    assert hands.any() == clock


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_what_is_recalled_is_told_when_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And in a continuation the same as in training, of the prompt and then of what was drawn."""
    model: Any = model_told(name, recall=True, plan=False)
    (_, at_steps, _, _), _ = model.example(FRAMES[None, :200])
    assert at_steps.shape[-1] == N_HANDS + n_recalled(model._latents.n_latents)
    assert at_steps[..., N_HANDS:].any()
    heard = noting_steps(monkeypatch)
    model.sample(FRAMES[None, :200], 40, temperature=1.0, rngs=[np.random.default_rng(0)])
    told = np.concatenate(heard)[:, -at_steps.shape[-1] :]
    np.testing.assert_allclose(told[:99], at_steps[0], atol=1e-6)
    assert told[100:, N_HANDS:].any()
    unasked = model_told(name, recall=False, plan=False).example(FRAMES[None, :200])[0][1]
    np.testing.assert_array_equal(unasked, at_steps[..., :N_HANDS])


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_a_continuation_is_told_its_prompts_plan_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = model_told(name, plan=True, recall=False)
    (_, at_steps, _, _), _ = model.example(FRAMES[None, :200])
    assert at_steps.shape[-1] == N_HANDS + N_TOLD_OF_PLAN
    # Each step is told the plan of the one to come.
    plan = model._plan.of(FRAMES[None, :200])
    np.testing.assert_array_equal(at_steps[0, :, N_HANDS:-1], plan[0, 1:])
    assert (at_steps[..., -1] == 1.0).all()
    heard = noting_steps(monkeypatch)
    monkeypatch.setattr(
        "soundloom.models.registry.sequence.find_lags", lambda *_: np.array([[7, 14, 28]])
    )
    model.sample(FRAMES[None, :200], 180, temperature=1.0, rngs=[np.random.default_rng(0)])
    told = np.concatenate(heard)[:, -at_steps.shape[-1] :]
    np.testing.assert_allclose(told[:99], at_steps[0], atol=1e-6)
    # 84 steps are three times the longest lag.
    looped = [16 + place % 84 for place in range(len(told) - 99)]
    np.testing.assert_allclose(told[99:, N_HANDS:-1], plan[0, looped], atol=1e-6)


def test_training_withholds_some_of_what_is_recalled() -> None:
    model: Any = model_told("density", recall=True)
    windows = FRAMES[None, :200].repeat(200, axis=0)
    told = model._seen(windows, rng=np.random.default_rng(0))[1]
    assert 0.1 < (told.lags == NEVER).mean() < 0.2
    assert (model._seen(windows[:1])[1].lags < NEVER).all()


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_training_hears_a_crop_that_is_told_of_the_whole_window(name: str) -> None:
    model: Any = model_told(name, crop_frames=40, recall=True, plan=False)
    windows = FRAMES[None, :201].repeat(8, axis=0)
    (heard, at_steps, _, following), expected = model.example(windows, np.random.default_rng(3))
    assert heard.shape[1] == at_steps.shape[1] == following.shape[1] == 20
    np.testing.assert_array_equal(following, expected)
    (_, all_steps, _, everything), _ = model.example(windows)
    assert everything.shape[1] == 99
    hands, all_hands = at_steps[..., :N_HANDS], all_steps[0, :, :N_HANDS]
    starts = [
        next(s for s in range(80) if np.array_equal(hands[row], all_hands[s : s + 20]))
        for row in range(8)
    ]
    assert len(set(starts)) > 4
    # The last value of a lag says whether there is something to recall, beyond the crop or not.
    first = N_HANDS + n_recalled(model._latents.n_latents) // 3 - 1
    given = at_steps[..., first].any(axis=1)
    assert given.any()
    for row in np.flatnonzero(given):
        np.testing.assert_array_equal(
            at_steps[row, :, first], all_steps[row, starts[row] : starts[row] + 20, first]
        )


def test_a_step_is_told_its_own_time() -> None:
    (_, hands, _, _), _ = model_told(recall=False, plan=False).example(FRAMES[None, :201])
    clock = Clock.found_in(FRAMES[None, :201], FRAMES_PER_SECOND)
    # The first step to be predicted is the second: frames 2 and 3.
    np.testing.assert_array_equal(hands[0, :3], clock.hands(np.array([2.5, 4.5, 6.5]))[0])


@pytest.mark.parametrize("name", ["density", "tokens"])
def test_the_clock_runs_on_where_the_prompt_ends(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_told(name)
    asked = []
    hands = Clock.hands

    def noted(clock: Clock, frames: np.ndarray) -> np.ndarray:
        asked.append(frames)
        return hands(clock, frames)

    monkeypatch.setattr(Clock, "hands", noted)
    model.sample(FRAMES[None, :41], 9, temperature=1.0, rngs=[np.random.default_rng(0)])
    # 41 frames are 20 steps, their first frame left out; 9 more frames are 5 more steps, and the
    # detail of the last is told from those after it, the last of which nothing follows.
    np.testing.assert_array_equal(asked[0], 2.0 * np.arange(1, 25 + CONTEXT_STEPS) + 0.5)
