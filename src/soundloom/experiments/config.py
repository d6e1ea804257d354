"""The section ``track``: where MLflow keeps the runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundloom.common.params import Section


class TrackConfig(Section):
    """``track``: where MLflow keeps the runs."""

    key = "track"

    experiment: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
