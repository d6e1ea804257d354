"""Every key of params.yaml set to what nobody should set it to, and what its own comment allows.

``bench/hostile_params.py`` tries them all, ``tests/test_config.py`` some.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from params import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.common.params import flattened, parse_yaml, read_params, with_keys
from soundloom.config import Config

FILE = REPOSITORY / "params.yaml"

WRONG: tuple[Any, ...] = (
    None, True, False, [], [1], ["x"], [[]], {}, {"a": 1}, "", " ", "text", "1", "nan", "-", "..",
    "\0", "a\nb", "🎸", "<script>", "%s{0}$(x)", "x" * 100_000, -1, 0, 1, 2, 3, 0.5, -0.5, 1e-300,
    1e308, -1e308, float("nan"), float("inf"), float("-inf"), 2**31, 2**63, 2**64, -(2**63), 10**30,
    10**4000,
)  # fmt: skip


class Documented(NamedTuple):
    """What the comment of a key says of its values; None where it says nothing."""

    lowest: float | None
    highest: float | None
    choices: tuple[str, ...]


@functools.cache
def document() -> dict[str, Any]:
    """The project's own file."""
    return read_params(FILE)


@functools.cache
def documented() -> dict[str, Documented]:
    """By key, ``section.key``."""
    found, sections = {}, [""] * 9
    for line in FILE.read_text(encoding="utf-8").splitlines():
        match = re.match(r"( *)(\w+):.*?(?:# (.*))?$", line)
        if match is None:
            continue
        depth = len(match[1]) // 2
        sections[depth] = match[2]
        found[".".join(sections[: depth + 1])] = _read(match[3] or "")
    return {key: found[key] for key in flattened(document())}


def _read(comment: str) -> Documented:
    plain = re.sub(r" \([^)]*\)", "", comment.partition("▸")[0])
    both = re.search(r"([\d.]+) to ([\d.]*\d)?", plain)
    lowest = re.search(r"([\d.]+) or more", plain)
    highest = re.search(r"\bto ([\d.]+)", plain)
    choices = re.match(r"\w+(?: \| \w+)+", plain)
    return Documented(
        float(both[1]) if both else float(lowest[1]) if lowest else None,
        float(both[2]) if both and both[2] else float(highest[1]) if highest else None,
        tuple(choices[0].split(" | ")) if choices else (),
    )


def extremes(key: str) -> Iterator[Any]:
    """The documented ends of a key's range, and what is just beyond them."""
    lowest, highest, choices = documented()[key]
    kind = type(flattened(document())[key])
    beyond = 1 if kind is int else 1e-6
    for end, sign in ((lowest, -1), (highest, 1)):
        if end is not None and kind in (int, float):
            yield from (kind(end), kind(end) + sign * beyond)
    yield from choices


def judge(key: str, value: Any) -> str:
    """Set one key of the whole file to a value: ``accepted`` or ``refused``.

    Whatever else comes of it is raised: a value accepted that is of another type than the key's or
    beyond what its comment says, one refused in words that do not name key, value and what is
    allowed, or one within its range refused without the name of what it does not agree with.
    """
    value = _as_written(value)
    try:
        Config.parse(with_keys(document(), {key: value}), "params.yaml")
    except SoundloomError as error:
        said = str(error)
        assert said.startswith("params.yaml: "), said
        assert key.rpartition(".")[2] in said, said
        assert " must " in said or "is not a known key" in said or "is missing" in said, said
        assert not re.search(r"[\x00-\x1f]", said), said
        assert len(said) < 1200, said
        lowest, highest, choices = documented()[key]
        if _within(key, value) and (choices or None not in (lowest, highest)):
            others = {other.rpartition(".")[2] for other in documented() if other != key}
            assert any(re.search(rf"\b{other}\b", said) for other in others), said
        return "refused"
    assert _within(key, value), f"{key}: {value!r} was accepted"
    return "accepted"


def _as_written(value: Any) -> Any:
    """As it comes out of a file, where it can be written to one."""
    if isinstance(value, str) and ("\0" in value or len(value) > 1000):
        return value
    if isinstance(value, int) and abs(value) > 10**1000:
        return value
    return parse_yaml(yaml.safe_dump({"value": value}, allow_unicode=True))["value"]


def _within(key: str, value: Any) -> bool:
    """Whether a value is of the key's type and in the range that its comment gives."""
    now = flattened(document()).get(key)
    lowest, highest, choices = documented()[key]
    if isinstance(now, float) and isinstance(value, int) and not isinstance(value, bool):
        pass
    elif type(value) is not type(now):
        return False
    if isinstance(value, str):
        return value in choices if choices else len(value) <= 4096 and "\0" not in value
    if isinstance(value, int | float):
        if str(value) in choices:
            return True
        low_enough = highest is None or value <= highest
        return not choices and low_enough and (lowest is None or value >= lowest)
    return True
