"""The section ``explore``: the first look at the audio."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from soundloom.common.params import Section


class ExploreConfig(Section):
    """``explore``: the notebook's look at the audio."""

    key = "explore"

    n_clips: Annotated[int, Field(ge=1, le=50)]
    zoom_start_sample: Annotated[int, Field(ge=0, le=57_600_000)]
    zoom_end_sample: Annotated[int, Field(ge=1, le=57_600_000)]
    rolloff_fraction: Annotated[float, Field(ge=0.01, le=0.99)]
    resample_rate_hz: Annotated[int, Field(ge=1000, le=96000)]

    @model_validator(mode="after")
    def _agree(self) -> ExploreConfig:
        if self.zoom_end_sample <= self.zoom_start_sample:
            raise ValueError(
                f"zoom_end_sample is {self.zoom_end_sample}; "
                f"it must be more than zoom_start_sample ({self.zoom_start_sample})"
            )
        return self
