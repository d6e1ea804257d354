"""Things by name that are read or made when asked for: no more are held than are in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Thing = TypeVar("Thing")


class LazyMapping(Mapping[str, Thing]):
    """What each of ``makers`` makes, by its name, anew whenever it is asked for: none is kept."""

    def __init__(self, makers: Mapping[str, Callable[[], Thing]]):
        self.makers = makers

    def __getitem__(self, name: str) -> Thing:
        return self.makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


def later(things: Mapping[str, Thing], name: str) -> Callable[[], Thing]:
    """What gives ``things[name]`` when called, and holds nothing else of ``things``."""
    if isinstance(things, LazyMapping):
        return things.makers[name]
    thing = things[name]
    return lambda: thing
