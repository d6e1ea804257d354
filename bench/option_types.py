"""Types of command-line options that say what is allowed, for ``argparse``."""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)


def at_least(least: int) -> Callable[[str], int]:
    """A whole number, no smaller than this."""

    def whole(text: str) -> int:
        if (number := _number(int, text)) < least:
            raise ArgumentTypeError(f"is {text}; it must be at least {least}")
        return number

    return whole


def above_zero(text: str) -> float:
    """A number that is more than 0, and finite."""
    number = _number(float, text)
    if not (number > 0 and math.isfinite(number)):
        raise ArgumentTypeError(f"is {text}; it must be more than 0, and finite")
    return number


def new_file(text: str) -> Path:
    """A file that can be written: to be known before an hour's work, not after it."""
    path = Path(text)
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise ArgumentTypeError(f"{text} cannot be written: {path.parent} is no writable folder")
    if path.is_dir():
        raise ArgumentTypeError(f"{text} is a folder; a file is to be written")
    return path


def _number(kind: type[Number], text: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        name = "whole number" if kind is int else "number"
        raise ArgumentTypeError(f"is {text}; it must be a {name}") from None
