"""Searches: what is suggested, what is remembered, and who runs which trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from dvc_stand_in import Dvc
from params import write_params
from soundloom.common.errors import SoundloomError
from soundloom.experiments.search import Trials, remarks, run
from soundloom.experiments.store import FinishedRun, RunStore
from soundloom.experiments.study import Study, read_rows, read_study

DROPOUT, RATE, EPOCHS = "model.density.dropout", "train.learning_rate", "train.epochs"
SEARCH = f"""\
title: A search
base: {{generate.prompts_from: validation}}
search:
  trials: 15
  objective: evaluate/fad
  space:
    {DROPOUT}: {{low: 0.0, high: 0.4}}
    {RATE}: {{low: 0.001, high: 0.01, log: true}}
    {EPOCHS}: {{low: 1, high: 4}}
    model.conditioning: {{values: [[style], [], [style, bar_lags]]}}
"""

Changes = dict[str, Any]
Write = Callable[..., Study]


@pytest.fixture
def write(project: Path) -> Write:
    """Write the study above, some texts replaced by others, beside params.yaml; read it."""
    write_params(project)

    def study(*replaced: tuple[str, str]) -> Study:
        text = SEARCH
        for before, after in replaced:
            assert before in text
            text = text.replace(before, after)
        (project / "study.yaml").write_text(text, encoding="utf-8")
        return read_study(Path("study.yaml"))

    return study


def grid(write: Write, trials: int) -> Study:
    """A search of six combinations."""
    space = SEARCH[SEARCH.index(f"    {DROPOUT}") :]
    values = f"    {DROPOUT}: {{values: [0.1, 0.2]}}\n    {EPOCHS}: {{values: [1, 2, 3]}}\n"
    return write(
        (space, values), ("trials: 15", f"trials: {trials}"), ("space:", "sampler: grid\n  space:")
    )


def result(number: int, changes: Changes) -> float | None:
    """What comes of a trial: an objective that one key alone decides; the third fails."""
    return None if number == 2 else (changes[DROPOUT] - 0.1) ** 2


def search(study: Study, journal: str, *, stopped: int = -1, until: int = 99) -> list[Changes]:
    """Do all trials, or some; returns what each changes. One may be stopped: it is begun again."""
    trials = Trials(study, Path(journal))
    done: list[Changes] = []
    while (numbers := trials.ask(1)) and len(done) < until:
        (number,) = numbers
        if number == stopped:
            trials, stopped = Trials(study, Path(journal)), -1
            continue
        done.append(trials.changes(number))
        trials.tell(number, result(number, done[-1]))
    return done


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_and_results_give_the_same_trials(write: Write, sampler: str) -> None:
    study = write(("space:", f"sampler: {sampler}\n  space:"))
    whole = search(study, "whole")
    assert len(whole) == 15
    assert len({str(changes) for changes in whole}) == 15
    assert search(study, "stopped", stopped=4) == whole
    other = write(("space:", f"sampler: {sampler}\n  seed: 1\n  space:"))
    assert search(other, "other", until=1) != whole[:1]


def test_what_is_suggested_is_of_the_space_and_readable(write: Write) -> None:
    for changes in search(write(), "journal"):
        assert set(changes) == {DROPOUT, RATE, EPOCHS, "model.conditioning"}
        assert 0.0 <= changes[DROPOUT] <= 0.4
        assert 0.001 <= changes[RATE] <= 0.01
        assert changes[EPOCHS] in (1, 2, 3, 4)
        assert isinstance(changes[EPOCHS], int)
        assert changes["model.conditioning"] in ([], ["style"], ["style", "bar_lags"])
        assert all(float(f"{changes[key]:.4g}") == changes[key] for key in (DROPOUT, RATE))


def test_rounding_does_not_leave_the_range(write: Write) -> None:
    study = write(("low: 0.0, high: 0.4", "low: 0.123456, high: 0.1234561"))
    assert all(0.123456 <= one[DROPOUT] <= 0.1234561 for one in search(study, "journal", until=5))


def test_tpe_goes_where_trials_were_good(write: Write) -> None:
    last = [changes[DROPOUT] for changes in search(write(("trials: 15", "trials: 40")), "journal")]
    best, random = last[-10:], last[:10]
    assert sum(abs(value - 0.1) for value in best) < sum(abs(value - 0.1) for value in random) / 2


def test_a_grid_has_each_combination_once_and_no_more(write: Write) -> None:
    study = grid(write, 9)
    done = search(study, "journal", stopped=3)
    combinations = {(changes[DROPOUT], changes[EPOCHS]) for changes in done}
    assert combinations == {(dropout, epochs) for dropout in (0.1, 0.2) for epochs in (1, 2, 3)}
    assert len(done) == Trials(study, Path("journal")).most == 6
    assert len(search(grid(write, 4), "other")) == 4


@pytest.mark.parametrize("direction", ["minimise", "maximise"])
def test_the_best_is_first_and_what_failed_last(write: Write, direction: str) -> None:
    study = write(("trials: 15", f"trials: 4\n  direction: {direction}"))
    trials = Trials(study, Path("journal"))
    for number, value in zip(trials.ask(4), [0.5, None, float("nan"), 0.25], strict=True):
        trials.tell(number, value)
    best = [3, 0] if direction == "minimise" else [0, 3]
    assert trials.finished() == [*best, 1, 2]
    assert trials.ask(4) == []

    found = trials.as_study()
    assert list(found.variants) == [f"trial {number}" for number in [*best, 1, 2]]
    assert found.changes("trial 1") == {**study.base, **trials.changes(1)}
    (column,) = found.columns
    assert (column.metric, column.best) == (
        "evaluate/fad", "lowest" if direction == "minimise" else "highest",
    )  # fmt: skip


def test_a_column_of_the_objective_is_not_doubled(write: Write) -> None:
    own = "columns: [{title: FAD, metric: evaluate/fad}]\nsearch:"
    found = Trials(write(("search:", own)), Path("journal")).as_study()
    assert [column.title for column in found.columns] == ["FAD"]


def test_several_machines_share_the_trials_of_one_journal(write: Write) -> None:
    study = write(("trials: 15", "trials: 3"))
    here, there = (Trials(study, Path("journal"), name) for name in ("here", "there"))
    assert [here.ask(1), there.ask(1), here.ask(1)] == [[0], [1], [0]]
    # Where "here" was stopped, it goes on with its own trial, never with another's.
    here = Trials(study, Path("journal"), "here")
    assert here.unfinished() == [0]
    here.tell(0, 1.0)
    assert here.ask(5) == [2]
    assert there.ask(5) == [1]
    here.tell(2, 2.0)
    there.tell(1, 0.0)
    assert here.ask(1) == there.ask(1) == []
    assert here.finished() == there.finished() == [1, 0, 2]
    assert here.name(1) == there.name(1)


def test_more_trials_go_on_and_what_does_not_compare_begins_anew(write: Write) -> None:
    search(write(), "journal", until=2)
    more = write(("trials: 15", "trials: 16"), ("space:", "space:\n    # A remark."))
    assert Trials(more, Path("journal")).finished() == [0, 1]
    for other in (
        ("high: 0.4", "high: 0.3"),
        ("from: validation", "from: test"),
        ("evaluate/fad", "evaluate/kad"),
        ("A search", "Another search"),
    ):
        assert Trials(write(other), Path("journal")).finished() == []
    study = write()
    write_params(Path(), {"generate.top_p": 0.5})
    assert Trials(study, Path("journal")).finished() == []
    # What it searches through is no part of what it starts from.
    write_params(Path(), {DROPOUT: 0.3})
    assert Trials(study, Path("journal")).finished() == [0, 1]


def test_a_line_that_was_cut_off_is_dropped(write: Write) -> None:
    study, journal = write(), Path("journal")
    done = search(study, "journal", until=3)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    trials = Trials(study, journal)
    (number,) = trials.ask(1)
    trials.tell(number, 1.0)
    trials = Trials(study, journal)
    assert [trials.changes(number) for number in range(3)] == done
    assert len(trials.finished()) == 4


@pytest.mark.parametrize("content", [b"RIFF\0\0WAVE", b"notes\nof mine", b'{"op_code":0}\n{"\n\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(write: Write, content: bytes) -> None:
    Path("mine").write_bytes(content)
    with pytest.raises(SoundloomError, match=r"^mine: no journal of Optuna's: "):
        Trials(write(), Path("mine"))
    assert Path("mine").read_bytes() == content


@pytest.mark.slow
def test_importances_say_which_key_decided(write: Write) -> None:
    study = write()
    search(study, "few", until=9)
    assert Trials(study, Path("few")).importances() == {}
    assert "explains" not in remarks(Trials(study, Path("few")))
    search(study, "enough")
    trials = Trials(study, Path("enough"))
    shares = trials.importances()
    assert shares[DROPOUT] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    lines = remarks(trials).splitlines()
    assert "Optuna (tpe, seed 0) suggested the trials, to minimise `evaluate/fad`, of" in lines
    assert f"- `{RATE}`: 0.001 to 0.01, evenly over logarithms" in lines
    assert lines[-1].endswith(
        f"(fANOVA): {', '.join(f'`{k}` {v:.2f}' for k, v in shares.items())}."
    )


class Store:
    """Runs whose metric is the dropout, or what it is told to have."""

    def __init__(self, *, metric: str = "evaluate/fad", recorded: bool = True):
        self.metric, self.recorded = metric, recorded

    def find_latest(self, params: Mapping[str, str]) -> FinishedRun | None:
        metrics = {self.metric: float(params[DROPOUT])}
        return FinishedRun(f"run{params[DROPOUT]}", metrics) if self.recorded else None


def named(trials: Trials, *states: str) -> dict[str, str | None]:
    """DVC's states of the first trials."""
    return {trials.name(number): state for number, state in enumerate(states)}


@pytest.mark.parametrize("direction", ["minimise", "maximise"])
def test_trials_run_one_after_the_other_and_are_told(
    dvc: Dvc, write: Write, direction: str
) -> None:
    study = write(("trials: 15", f"trials: 3\n  direction: {direction}"))
    trials = Trials(study, Path("journal"))
    ended = named(trials, "success", "failed", "success")
    dvc.show({}, {}, *([ended] * 6))
    store = cast(RunStore, Store())
    run(trials, store)
    # A run of the same parameters, from the past, does not make a success of a failed one.
    assert [call.split()[4] for call in dvc.calls() if call.startswith("exp run")] == list(ended)
    dropouts = [trials.changes(number)[DROPOUT] for number in range(3)]
    first_is_less = dropouts[0] < dropouts[2]
    better = [0, 2] if first_is_less == (direction == "minimise") else [2, 0]
    assert trials.finished() == [*better, 1]
    rows = read_rows(trials.as_study(), store)
    assert [row.name for row in rows] == [f"trial {number}" for number in [*better, 1]]
    best = dropouts[better[0]]
    assert rows[0].run == FinishedRun(f"run{best}", {"evaluate/fad": best})
    # All have ended: nothing is asked of DVC.
    calls = dvc.calls()
    run(trials, store)
    assert dvc.calls() == calls


def test_what_was_stopped_goes_on_first_in_its_own_task(dvc: Dvc, write: Write) -> None:
    study = write(("trials: 15", "trials: 2"))
    (first,) = Trials(study, Path("journal")).ask(1)
    trials = Trials(study, Path("journal"))
    running, ended = named(trials, "running"), named(trials, "success", "success")
    dvc.show(running, running, running, ended)
    run(trials, cast(RunStore, Store()))
    calls = [call.split()[:2] for call in dvc.calls()]
    assert calls[0] == ["queue", "start"]
    assert sum(call == ["exp", "run"] for call in calls) == 1
    assert sorted(trials.finished()) == [first, 1]


def test_a_queue_in_use_is_left_alone_before_a_trial_is_asked_for(dvc: Dvc, write: Write) -> None:
    trials = Trials(write(), Path("journal"))
    dvc.show({"other": "running"})
    with pytest.raises(SoundloomError, match="have not ended"):
        run(trials, cast(RunStore, Store()))
    assert trials.unfinished() == []


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        (Store(metric="evaluate/fda"), r"'evaluate/fad', which is no metric.*'evaluate/fda'$"),
        (Store(metric="x"), r"search\.objective is 'evaluate/fad', .* of run run0\.\d+$"),
        (Store(recorded=False), r"-0 has run, but MLflow has no run of it; `soundloom track`"),
    ],
)
def test_a_trial_without_a_result_stops_the_search_and_is_not_lost(
    dvc: Dvc, write: Write, store: Store, fault: str
) -> None:
    trials = Trials(write(), Path("journal"))
    dvc.show({}, {}, named(trials, "success"))
    with pytest.raises(SoundloomError, match=fault):
        run(trials, cast(RunStore, store))
    assert trials.unfinished() == [0]
    assert trials.finished() == []


def test_choosing_by_the_test_part_is_warned_of(
    dvc: Dvc, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, warnings in (("validation", 0), ("test", 1)):
        trials = Trials(write(("trials: 15", "trials: 1"), ("validation", part)), Path(part))
        dvc.show({}, {}, named(trials, "success"))
        run(trials, cast(RunStore, Store()))
        assert capsys.readouterr().err.count("the search chooses by the test part") == warnings
