"""The section ``compute`` of params.yaml: where work is done."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from soundloom.common.params import Section, only


class ComputeConfig(Section):
    """Section ``compute``; ``src/stage.py`` reads it, and no stage depends on it."""

    key: ClassVar[str] = "compute"

    backend: Literal["loky", "dask"]
    address: Annotated[
        str,
        Field(max_length=4096),
        only(
            re.compile(r"([a-z]+://[^\s\0]+)?").fullmatch,
            'be that of a scheduler, like tcp://10.0.0.5:8786, or ""',
        ),
    ]
    """Of Dask's scheduler; "" starts one on this machine."""
    # What stands before gradient descent takes batches that any of these can share.
    devices: Annotated[int, only((0, 1, 2, 4, 8).__contains__, "be 0, 1, 2, 4 or 8")]
