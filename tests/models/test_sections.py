"""Where sections begin, which style they are of, and that continuations go there and come back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from small_models import N_BINS, N_LATENTS, batches, built, frames, model_config
from soundloom.models.conditioning import base
from soundloom.models.conditioning.tempo import Tempo
from soundloom.models.instance_norm import statistics_of
from soundloom.models.sections import Styles, Turns, section_steps

ONES = np.ones(2)


@pytest.mark.parametrize(
    ("bar", "wanted", "expected"),
    [
        (86, 688, 8 * 86),
        (100, 688, 8 * 100),
        (130, 688, 4 * 130),
        (86, 1, 2 * 86),
        (1, 10_000, 64),
    ],
)
def test_sections_last_a_power_of_two_of_bars(bar: int, wanted: float, expected: int) -> None:
    assert section_steps(np.array([bar]), wanted) == [expected]


def turns(*changes: tuple[float, float]) -> Turns:
    """One latent of std 1 and one of std 2, whose means change from … to …."""
    of = lambda mean: [mean, 0.0, 1.0, 2.0]  # noqa: E731
    before, after = zip(*((of(first), of(second)) for first, second in changes), strict=True)
    return Turns(np.array(before), np.array(after))


def styles_of(found: Turns, own: list[float], n_steps: int = 40) -> Styles:
    rngs = [np.random.default_rng(0)]
    return found.styles(np.array([own]), ONES, np.array([10]), 5, n_steps, rngs)


def test_it_goes_elsewhere_and_comes_back() -> None:
    styles = styles_of(turns((0.0, 1.0), (0.5, 2.0)), [0.0, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(styles.of_steps[0], [0] * 15 + [1] * 10 + [0] * 10 + [2] * 5)
    np.testing.assert_array_equal(styles.statistics[0, 0], [0.0, 0.0, 1.0, 2.0])
    longer = styles_of(turns((0.0, 1.0), (0.5, 2.0)), [0.0, 0.0, 1.0, 2.0], n_steps=90)
    np.testing.assert_array_equal(longer.of_steps[:, :40], styles.of_steps)
    np.testing.assert_array_equal(longer.statistics, styles.statistics)
    assert {0, 1, 2} == set(longer.of_steps.ravel())


def test_it_turns_as_sections_like_its_own_do_either_way() -> None:
    """The four sides near 10 lead up by 3 or, taken backwards, down by 5."""
    near, far = [(10.0, 13.0), (11.0, 14.0), (2.0, 7.5), (5.0, 10.5)], [(90.0, 93.5)] * 8
    styles = styles_of(turns(*near, *far), [10.4, 0.0, 1.0, 2.0])
    moves = styles.statistics[0, 1:, 0] - 10.4
    assert set(moves.round(6)) <= {3.0, -3.0, -5.5}
    assert len(set(moves)) == 2 or moves[0] == 3.0


def test_stds_change_by_a_factor_within_limits() -> None:
    found = Turns(np.array([[0.0, 0.0, 1.0, 1.0]] * 4), np.array([[0.0, 0.0, 1.2, 9.0]] * 4))
    stds = styles_of(found, [0.0, 0.0, 2.0, 3.0]).statistics[0, 1:, 2:]
    wider, narrower = [2.4, 4.5], [2.0 / 1.2, 2.0]
    for row in stds:
        assert row == pytest.approx(wider) or row == pytest.approx(narrower)


@pytest.mark.slow
def test_turns_are_found_where_windows_turn() -> None:
    """One in four windows has a second half that is louder, each by something else."""
    rng = np.random.default_rng(0)
    model = built(model_config("density"))
    windows = 0.3 + 0.01 * rng.standard_normal((60, 32, N_BINS)).astype(np.float32)
    rises = np.zeros(60)
    rises[::4] = 0.1 + 0.01 * np.arange(15)
    windows[:, 16:] += rises[:, None, None].astype(np.float32)

    class Windows:
        def epoch(self, _: int) -> Any:
            yield from (windows[:24], windows[24:])

    found = Turns.fit(Windows(), model._space, 12).arrays()  # type: ignore[arg-type]
    moves = found["turns_after"][:, :N_LATENTS] - found["turns_before"][:, :N_LATENTS]
    one = statistics_of(model._space.encode(windows[::4, 16:]))[:, :N_LATENTS]
    other = statistics_of(model._space.encode(windows[::4, :16]))[:, :N_LATENTS]
    sizes = np.linalg.norm(moves, axis=1)
    assert sizes.min() > 0.95 * np.linalg.norm((one - other)[0])
    # The very strongest is no turn, but an end or a silence.
    assert sizes.max() < np.linalg.norm((one - other)[-1])


@pytest.mark.slow
def test_turns_and_extremes_are_found_without_holding_windows_latents() -> None:
    from soundloom.models.density import _extremes

    space = built(model_config("density"))._space

    class Windows:
        def __init__(self, n_batches: int):
            self.n_batches = n_batches

        def epoch(self, _: int) -> Iterator[np.ndarray]:
            rng = np.random.default_rng(0)
            for _ in range(self.n_batches):
                yield rng.random((2, 8, N_BINS), np.float32)

    def peak_bytes(n_batches: int) -> int:
        tracemalloc.start()
        Turns.fit(Windows(n_batches), space, 12)  # type: ignore[arg-type]
        _extremes(space, Windows(n_batches))  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_bytes(10)  # what is made once
    a_batch = (peak_bytes(300) - peak_bytes(100)) / 200
    assert a_batch < 300  # of two numbers; statistics, or lows and highs, are arrays of 24


@pytest.mark.slow
@pytest.mark.parametrize("name", ["density", "tokens"])
def test_a_continuation_goes_to_another_section_and_back(name: str) -> None:
    """To one where all is louder by 0.1, as all its turns are or the other way."""
    rng = np.random.default_rng(0)
    model = built(model_config(name, conditioning=[]))
    prompt = 0.3 + 0.02 * rng.standard_normal((1, 120, N_BINS)).astype(np.float32)
    louder = statistics_of(model._space.encode(prompt + 0.1))
    own = statistics_of(model._space.encode(prompt))
    # Nearest are the quiet sides: four of them.
    model._turns = Turns(own.repeat(4, axis=0), louder.repeat(4, axis=0))
    plain, turning = (
        model.sample(
            prompt,
            1600,
            temperature=0.5,
            section_seconds=seconds,
            rngs=[np.random.default_rng(1)],
        )[0].mean(axis=1)
        for seconds in (0.0, 4.0)
    )
    # Until the first turn it is the same, to the last bit.
    length = int(np.flatnonzero(turning != plain)[0])
    assert plain.mean() == pytest.approx(0.3, abs=0.03)
    levels = [turning[at * length : (at + 1) * length].mean() for at in range(4)]
    assert levels == pytest.approx([0.3, 0.4, 0.3, 0.4], abs=0.035)


@pytest.mark.slow
def test_what_is_the_same_in_every_style_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is constant is, in each style, what all features of that style would say."""
    model = built(model_config("density"))
    from soundloom.models.conditioning.harmony_plan import HarmonyPlan

    found: dict[str, int] = {}

    def count(owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        def counted(*given: Any, **options: Any) -> Any:
            found[name] = found.get(name, 0) + 1
            return plain(*given, **options)

        monkeypatch.setattr(owner, name, counted)

    prompt = frames()[None, :200]
    prepared = model._prepared(prompt, 300)
    styles = model._styles(prepared.sequences, 1.0, [np.random.default_rng(0)])
    assert styles.statistics.shape[1] == 3
    expected = [
        model._prepared(prompt, 300).features.constant,
        *(
            model._conditioning.features(replace(prepared.sequences, statistics=one)).constant
            for one in np.moveaxis(styles.statistics, 1, 0)[1:]
        ),
    ]
    count(Tempo, "found_in")
    count(base, "find_bar_lags")
    count(HarmonyPlan, "components")
    prepared = model._prepared(prompt, 300)
    for one, other in zip(model._constants(prepared, styles), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found == {"found_in": 1, "find_bar_lags": 1, "components": 1}


@pytest.mark.slow
def test_without_turns_there_are_no_sections() -> None:
    """As with the base, which has learned none."""
    model = built(model_config("density", turns=0))
    assert not {"turns_before", "turns_after"} & set(model.arrays())
    one, other = (
        model.sample(
            frames()[None, :200],
            400,
            temperature=1.0,
            section_seconds=seconds,
            rngs=[np.random.default_rng(1)],
        )
        for seconds in (0.0, 1.0)
    )
    np.testing.assert_array_equal(one, other)
    adapted = model.adapted(model_config("density", turns=4), batches("train", seed=0))
    assert adapted.arrays()["turns_before"].shape == (4, 2 * N_LATENTS)
