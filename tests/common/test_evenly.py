"""A few of many, evenly spaced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundloom.common.evenly import evenly_spaced


@pytest.mark.parametrize(
    ("n_items", "n_wanted", "last", "chosen"),
    [
        (10, 3, False, [0, 3, 6]),
        (2, 5, False, [0, 1]),
        (5, 0, False, []),
        (0, 3, False, []),
        (24, 3, True, [0, 12, 23]),
        (24, 1, True, [0]),
        (2, 5, True, [0, 1]),
    ],
)
def test_by_hand(n_items: int, n_wanted: int, last: bool, chosen: list[int]) -> None:
    assert evenly_spaced(n_items, n_wanted, last=last) == chosen


@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_as_many_as_wanted_each_once_in_order(n_items: int, n_wanted: int, last: bool) -> None:
    chosen = evenly_spaced(n_items, n_wanted, last=last)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(n_items, n_wanted)
    assert chosen[0] == 0
    assert chosen[-1] < n_items
    if last and len(chosen) > 1:
        assert chosen[-1] == n_items - 1
