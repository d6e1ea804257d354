"""Things by name that are read or made when asked for: no more are held than are in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


class LazyMapping(Mapping[str, Thing]):
    """``make(name)`` for each of ``names``, anew whenever it is asked for: none is kept."""

    def __init__(self, names: Sequence[str], make: Callable[[str], Thing]):
        self._names = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> Thing:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
