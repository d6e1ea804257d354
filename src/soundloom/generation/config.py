"""The section ``generate``: what is continued, for how long, and the files written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from soundloom.common.params import PathText, Seed, Threads, with_keys
from soundloom.corpus.config import HeldOutConfig


class GenerateConfig(HeldOutConfig):
    """``generate``: what is continued, for how long, and the files written."""

    model_config = ConfigDict(extra="forbid")

    n_samples: Annotated[int, Field(ge=1, le=100)]
    # At least a window of those that evaluation compares.
    seconds: Annotated[float, Field(ge=3, le=3600)]
    prompt: PathText
    temperature: Annotated[float, Field(ge=0, le=2)]
    top_p: Annotated[float, Field(ge=0.01, le=1)]
    section_seconds: Annotated[float, Field(ge=0, le=600)]
    seed: Seed
    sample_rate_hz: Annotated[int, Field(ge=8000, le=192_000)]
    threads: Threads

    @property
    def n_samples_long(self) -> int:
        """Sample frames in each file written."""
        return round(self.seconds * self.sample_rate_hz)

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """With those options that are given, which are those not None, in place of its own values.

        Raises :class:`SoundloomError` naming one that is out of range.
        """
        given = {
            f"{self.key}.{name}": value for name, value in options.items() if value is not None
        }
        return self.parse(with_keys({self.key: self.model_dump()}, given), "options")
