"""The section ``evaluate``: generated audio, real audio and controls, measured alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundloom.common.params import Section, Seed, Threads

WINDOW_SECONDS = 3.0
"""Length of the windows that the tagger tags, and that sets of recordings are compared by."""


class EvaluateConfig(Section):
    """``evaluate``: generated audio, real audio and controls, measured alike."""

    key = "evaluate"

    n_windows: Annotated[int, Field(ge=10, le=100_000)]
    n_resamples: Annotated[int, Field(ge=10, le=100_000)]
    n_pairs: Annotated[int, Field(ge=0, le=100)]
    seed: Seed
    threads: Threads
