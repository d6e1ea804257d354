"""The section ``pairs``: frames to (context, following) windows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from soundloom.common.params import Section


class PairsConfig(Section):
    """``pairs``: which windows of frames a model is trained on, and how they are kept."""

    key = "pairs"

    window_frames: Annotated[int, Field(ge=2, le=4096)]
    step_frames: Annotated[int, Field(ge=1, le=1_000_000)]
    format: Literal["npy", "tfrecord"]
