"""Models by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from soundloom.models.base import FrameModel
from soundloom.models.config import ModelConfig
from soundloom.models.density import Density
from soundloom.models.lstm import Lstm
from soundloom.models.tokens import Tokens

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

MODELS: dict[str, type[FrameModel]] = {"lstm": Lstm, "tokens": Tokens, "density": Density}


def build_model(
    config: ModelConfig, n_bins: int, frames_per_second: float, train: Batches
) -> FrameModel:
    """An untrained model of the kind ``config.name`` names; see :meth:`FrameModel.build`."""
    return MODELS[config.name].build(config, n_bins, frames_per_second, train)


def rebuild_model(
    config: ModelConfig, n_bins: int, frames_per_second: float, arrays: Mapping[str, np.ndarray]
) -> FrameModel:
    """The model that these are the ``arrays`` of; see :meth:`FrameModel.from_arrays`."""
    return MODELS[config.name].from_arrays(config, n_bins, frames_per_second, arrays)
