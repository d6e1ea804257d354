"""What the scripts that train on a device are told on their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from soundloom.models.config import ModelConfig


class Options(NamedTuple):
    """``BUNDLE OUT``, and how to train."""

    bundle: Path
    """The folder that ``bundle.py`` wrote."""
    out: Path
    """Where weights go: an existing folder."""
    config: ModelConfig
    seconds: float
    """How long to train, compilation included."""
    batch: int
    """Windows a step."""

    @classmethod
    def of(
        cls, purpose: str | None, given: Sequence[str] | None = None, *, seconds: float, batch: int
    ) -> Self:
        """Of the command line, or as ``given``; the folder for the weights is made.

        ``purpose`` is what ``--help`` says first, ``seconds`` and ``batch`` are the defaults.
        """
        parser = argparse.ArgumentParser(description=purpose)
        parser.add_argument("bundle", type=Path)
        parser.add_argument("out", type=Path)
        parser.add_argument(
            "--params", type=Path, default=Path(__file__).parents[1] / "params.yaml"
        )
        parser.add_argument("--seconds", type=float, default=seconds)
        parser.add_argument("--batch", type=int, default=batch)
        told = parser.parse_args(given)
        config = ModelConfig.load(told.params)
        told.out.mkdir(parents=True, exist_ok=True)
        return cls(told.bundle, told.out, config, told.seconds, told.batch)
