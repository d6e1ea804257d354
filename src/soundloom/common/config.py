"""The section ``compute`` of params.yaml: where work is done."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from soundloom.common.params import Section


class ComputeConfig(Section):
    """Section ``compute``; ``src/stage.py`` reads it, and no stage depends on it."""

    key: ClassVar[str] = "compute"

    backend: Literal["loky", "dask"]
    address: Annotated[str, Field(max_length=4096, pattern=r"^([a-z]+://[^\s\x00]+)?$")]
    """Of Dask's scheduler; "" starts one on this machine."""
    # What stands before gradient descent takes batches that any of these can share.
    devices: Literal[0, 1, 2, 4, 8]
