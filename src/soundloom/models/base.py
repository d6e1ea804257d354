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

from soundloom.models.config import ModelConfig
from soundloom.pairs.windows import Batches


class FrameModel(ABC):
    """Fit on windows of frames; continue prompts."""

    network: keras.Model
    """What gradient descent trains, from the inputs to the outputs of :meth:`example`."""

    @classmethod
    @abstractmethod
    def build(cls, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        """An untrained model for frames of ``n_bins`` values; weights from Keras's global seed."""

    def prepare(self, train: Batches) -> None:  # noqa: B027 - most models need nothing here
        """Learn from training windows whatever must stand before gradient descent starts."""

    @abstractmethod
    def example(
        self, windows: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[Any, Any]:
        """What the network is given and what it should answer, for one batch of windows.

        ``rng`` is given in training alone: what a model corrupts or varies for its own good it
        draws from there. Without, examples are plain, and losses on them can be compared.
        """

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
        top_p: float = 1.0,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Continue each prompt by ``n_frames`` frames.

        ``prompts`` (n_prompts, prompt_frames ≥ 1, n_bins) → (n_prompts, n_frames, n_bins) float32
        in [0, 1]. ``temperature`` 0 always takes the likeliest frame; ``top_p`` in (0, 1] is the
        share of probability, the likeliest part, that choices are drawn from; ``rngs``, one a
        prompt, are the only source of chance.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder, byte-stable and without pickles."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: ModelConfig, n_bins: int, frames_per_second: float) -> Self:
        """Read what :meth:`save` wrote."""


def save_weights(network: keras.Model, path: Path) -> None:
    """Write a network's weights, byte-stable.

    Through a model never compiled: the optimiser's state would triple the file. It has a name of
    its own, as the file holds it and Keras would number it.
    """
    keras.Model(network.inputs, network.outputs, name="network").save_weights(path)
