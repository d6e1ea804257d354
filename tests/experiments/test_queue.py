"""DVC's queue: whose tasks stand in it, what is queued, and what is taken for an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tqdm import tqdm

from dvc_stand_in import Dvc
from soundloom.common.errors import SoundloomError
from soundloom.experiments.queue import check_free, run_all

PLAIN_AND_WARM: dict[str, dict[str, Any]] = {
    "study-plain": {"train.epochs": 8},
    "study-warm": {"train.epochs": 8, "generate.temperature": 1.2},
}


@pytest.fixture
def bar() -> Iterator[tqdm]:
    """A progress bar nobody sees."""
    with tqdm(total=2, disable=True) as shown:
        yield shown


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_queue_in_use_is_left_alone(dvc: Dvc, state: str) -> None:
    dvc.show({"other": state})
    with pytest.raises(SoundloomError, match="have not ended; see `dvc queue status`"):
        check_free(but=["mine"])
    check_free(but=["other"])
    assert dvc.calls() == []


def test_what_was_left_is_removed_and_every_experiment_queued(dvc: Dvc, bar: tqdm) -> None:
    dvc.show({"study-plain": "success", "study-warm": "failed", "another": None})
    assert run_all(PLAIN_AND_WARM, 1, bar) == {"study-warm"}
    assert dvc.calls() == [
        "queue remove study-plain study-warm",
        "exp remove study-plain",
        "exp run --queue --name study-plain --set-param=train.epochs=8",
        "exp run --queue --name study-warm --set-param=train.epochs=8"
        " --set-param=generate.temperature=1.2",
        "queue start --jobs 1",
    ]


def test_a_task_that_has_not_ended_is_waited_for(dvc: Dvc, bar: tqdm) -> None:
    running = {"study-plain": "running", "study-warm": "queued"}
    dvc.show(running, running, {"study-plain": "success", "study-warm": "success"})
    assert run_all(PLAIN_AND_WARM, 2, bar) == set()
    assert dvc.calls() == ["queue start --jobs 2"]


def test_workers_are_started_again_where_nothing_is_at_work(dvc: Dvc, bar: tqdm) -> None:
    queued = {"study-plain": "queued", "study-warm": "queued"}
    dvc.show(*[queued] * 6, {"study-plain": "success", "study-warm": "success"})
    run_all(PLAIN_AND_WARM, 2, bar)
    assert dvc.calls() == ["queue start --jobs 2"] * 2
