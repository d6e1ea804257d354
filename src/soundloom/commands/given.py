"""Types of options and arguments for argparse, which names the one whose value they refuse."""

from __future__ import annotations

import argparse
from pathlib import Path


def given(text: str) -> str:
    """A name that is not empty, as an unset variable of a shell leaves it."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def given_path(text: str) -> Path:
    """A path that is not empty: to ``pathlib`` that is the working directory."""
    return Path(given(text))
