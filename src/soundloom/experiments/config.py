"""The section ``track``: where MLflow keeps the runs."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from soundloom.common.params import Section, only


class TrackConfig(Section):
    """``track``: where MLflow keeps the runs."""

    key = "track"

    experiment: Annotated[
        str,
        Field(min_length=1, max_length=200),
        only(
            re.compile(r"[^\x00-\x1f\x7f]*").fullmatch,
            "hold no line ends and no other control characters",
        ),
    ]
