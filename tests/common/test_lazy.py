"""Things that are made when asked for, and not kept."""

from __future__ import annotations

from functools import partial

import pytest

from soundloom.common.lazy import LazyMapping, later


def test_each_is_made_when_asked_for_and_at_no_other_time() -> None:
    asked: list[str] = []

    def make(name: str) -> int:
        asked.append(name)
        return len(name)

    lengths = LazyMapping({name: partial(make, name) for name in ("one", "three")})
    assert (len(lengths), list(lengths), "three" in list(lengths)) == (2, ["one", "three"], True)
    ask = later(lengths, "three")
    assert asked == []
    assert lengths["three"] == ask() == 5
    assert dict(lengths) == {"one": 3, "three": 5}
    assert asked == ["three", "three", "one", "three"]
    with pytest.raises(KeyError, match="two"):
        lengths["two"]
    assert asked == ["three", "three", "one", "three"]


def test_what_is_there_already_is_given_later_too() -> None:
    assert later({"a": 1, "b": 2}, "b")() == 2
