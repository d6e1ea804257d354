"""The interface every model stands behind.

A model is fitted on windows of frames, continues prompts frame by frame, and is saved as a folder.
What it needs between frames and frames (latents, codebooks, heads) is its own affair: the rest of
the project sees frames ``(n_frames, n_bins)`` in [0, 1] only.

To add one: a file here with a subclass of :class:`FrameModel`, its entry in ``models/__init__.py``,
its section in ``config.ModelConfig`` and ``params.yaml``, and its tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from soundloom.config import ModelConfig
from soundloom.windows import Batches


class FrameModel(ABC):
    """Fit on windows of frames; continue prompts."""

    network: keras.Model
    """What gradient descent trains, from the inputs to the outputs of :meth:`example`."""

    @classmethod
    @abstractmethod
    def build(cls, config: ModelConfig, n_bins: int) -> Self:
        """An untrained model for frames of ``n_bins`` values; weights from Keras's global seed."""

    def prepare(self, train: Batches) -> None:  # noqa: B027 - most models need nothing here
        """Learn from training windows whatever must stand before gradient descent starts."""

    @abstractmethod
    def example(self, windows: np.ndarray) -> tuple[Any, Any]:
        """What the network is given and what it should answer, for one batch of windows."""

    @abstractmethod
    def loss(self) -> Any:
        """The loss between the network's answer and what it should be, as Keras takes it."""

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Validation losses of predictors that learn nothing, in the unit of :meth:`loss`."""
        return {}

    def finish(self, validation: Batches) -> None:  # noqa: B027
        """Estimate whatever depends on the trained weights, once the best ones are in place."""

    @abstractmethod
    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Continue each prompt by ``n_frames`` frames.

        ``prompts`` (n_prompts, prompt_frames ≥ 1, n_bins) → (n_prompts, n_frames, n_bins) float32
        in [0, 1]. ``temperature`` 0 always takes the likeliest frame; ``rngs``, one a prompt, are
        the only source of chance.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder, byte-stable and without pickles."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: ModelConfig, n_bins: int) -> Self:
        """Read what :meth:`save` wrote."""
