"""Things that are made when asked for, and not kept."""

from __future__ import annotations

import pytest

from soundloom.common.lazy import LazyMapping


def test_each_is_made_when_asked_for_and_at_no_other_time() -> None:
    asked: list[str] = []

    def make(name: str) -> int:
        asked.append(name)
        return len(name)

    lengths = LazyMapping(["one", "three"], make)
    assert (len(lengths), list(lengths), "three" in list(lengths)) == (2, ["one", "three"], True)
    assert asked == []
    assert lengths["three"] == 5
    assert dict(lengths) == {"one": 3, "three": 5}
    assert asked == ["three", "one", "three"]
    with pytest.raises(KeyError, match="two"):
        lengths["two"]
    assert asked == ["three", "one", "three"]
