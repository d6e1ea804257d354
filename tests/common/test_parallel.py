"""Work over many things: what comes of each is handed on, and held no longer."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from soundloom.common.parallel import ELSEWHERE, each_apart


def one_by_one(function: Any, things: Sequence[Any], arguments: Sequence[Any]) -> Iterator[Any]:
    """In place of workers elsewhere."""
    yield from (function(thing, *arguments) for thing in things)


@pytest.mark.parametrize("elsewhere", [None, one_by_one])
def test_results_come_in_order_and_are_let_go_of(elsewhere: Any) -> None:
    held: set[int] = set()

    def work(number: int, factor: int) -> np.ndarray:
        made = np.full(3, number * factor)
        held.add(number)
        weakref.finalize(made, held.discard, number)
        return made

    token, most, found = ELSEWHERE.set(elsewhere), 0, []
    try:
        for result in each_apart(work, range(50), 2, desc="work", jobs=1):
            most = max(most, len(held))
            found.append(int(result[0]))
    finally:
        ELSEWHERE.reset(token)
    assert found == list(range(0, 100, 2))
    assert most <= 3
