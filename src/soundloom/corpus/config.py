"""The section ``split``, and of the section ``generate`` what says which part prompts come from."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soundloom.common.params import Section, Seed


class SplitConfig(Section):
    """``split``: which audio is for training, validation and test."""

    key = "split"

    by: Literal["artist", "recording", "time"]
    validation_fraction: Annotated[float, Field(ge=0.01, le=0.45)]
    test_fraction: Annotated[float, Field(ge=0.01, le=0.45)]
    guard_seconds: Annotated[float, Field(ge=0, le=60)]
    seed: Seed

    def guard_samples(self, sample_rate_hz: int) -> int:
        """Samples left unused on each side of a cut in time."""
        return math.ceil(self.guard_seconds * sample_rate_hz)


class HeldOutConfig(Section):
    """Of ``generate``: the held-out part that prompts are from, and their length.

    Apart from the rest of that section, since what generated audio is compared with depends on
    these two keys and on no other of it.
    """

    model_config = ConfigDict(extra="ignore")

    key = "generate"

    prompts_from: Literal["validation", "test"]
    prompt_seconds: Annotated[float, Field(ge=0.1, le=60)]
