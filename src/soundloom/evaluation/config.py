"""The section ``evaluate``: generated audio, real audio and controls, measured alike."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from soundloom.common.params import Section, Seed, Threads

WINDOW_SECONDS = 3.0
"""Length of the windows that the tagger tags, and that sets of recordings are compared by."""

# Networks that hear recordings, named as in the package musicnn. The tagger comes first: its
# measures are ``fad`` and so on, those of a further ear ``ears/<name>/fad``.
FIRST_EAR = "MSD_musicnn"
FurtherEar = Literal["MSD_vgg", "MTT_musicnn"]
FURTHER_EARS: tuple[FurtherEar, ...] = get_args(FurtherEar)


class EvaluateConfig(Section):
    """``evaluate``: generated audio, real audio and controls, measured alike."""

    key = "evaluate"

    n_windows: Annotated[int, Field(ge=10, le=100_000)]
    n_resamples: Annotated[int, Field(ge=10, le=100_000)]
    n_pairs: Annotated[int, Field(ge=0, le=100)]
    ears: list[FurtherEar]
    seed: Seed
    threads: Threads

    @field_validator("ears")
    @classmethod
    def _each_once(cls, ears: list[str]) -> list[str]:
        if len(set(ears)) < len(ears):
            raise ValueError("it must name each ear at most once")
        return ears
