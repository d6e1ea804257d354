"""Values of params.yaml, set in its text: comments, order and layout stay as they are."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node

from soundloom.common.errors import SoundloomError
from soundloom.common.params import parse_yaml, with_keys


def with_values(text: str, changes: Mapping[str, Any]) -> str:
    """``text`` of a params.yaml with some values, ``section.key``, replaced.

    A comment that follows one stays in its column where there is room. Raises
    :class:`SoundloomError` for a key that ``text`` does not have.
    """
    places = dict(_places(YAML().compose(text)))
    if unknown := next((key for key in changes if key not in places), None):
        raise SoundloomError(f"params.yaml: {unknown} is missing")
    edited = text
    # From the end, as what comes before stays where it is.
    for key in sorted(changes, key=lambda key: places[key], reverse=True):
        start, end = places[key]
        edited = edited[:start] + _in_column(edited[end:], _written(changes[key]), end - start)
    with suppress(YAMLError):
        if parse_yaml(edited) == with_keys(parse_yaml(text), changes):
            return edited
    # Lists of a line for each value, or anchors.
    raise SoundloomError("params.yaml: written in a way that cannot be edited; edit it by hand")


def _places(node: Node, before: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Every key, ``section.key``, with where its value begins and ends in the text."""
    assert isinstance(node, MappingNode)
    for name, value in node.value:
        key = f"{before}{name.value}"
        if isinstance(value, MappingNode):
            yield from _places(value, f"{key}.")
        else:
            yield key, (value.start_mark.index, value.end_mark.index)


def _written(value: Any) -> str:
    """A value as YAML, in one line, in quotes where it needs them."""
    yaml, file = YAML(), io.StringIO()
    yaml.default_flow_style, yaml.width = True, 1 << 20
    yaml.dump([value], file)
    return file.getvalue().strip()[1:-1]


def _in_column(rest: str, value: str, n_before: int) -> str:
    """``value`` and the ``rest`` of the text, of which it replaces ``n_before`` characters."""
    behind = rest.lstrip(" ")
    if not behind.startswith("#"):
        return value + rest
    n_spaces = len(rest) - len(behind) + n_before - len(value)
    return value + " " * max(n_spaces, 1) + behind
