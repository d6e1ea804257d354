"""The interface every model stands behind.

A model is fitted on windows of frames, continues prompts frame by frame, and is saved as arrays and
weights. What it needs between frames and frames (latents, codebooks, heads) is its own affair: the
rest of the project sees frames ``(n_frames, n_bins)`` in [0, 1] only.

A model's life: :meth:`FrameModel.build` fits what must stand before gradient descent, ``training``
trains ``network`` on :meth:`~FrameModel.example` and :meth:`~FrameModel.loss`, and
:meth:`~FrameModel.calibrated` estimates what depends on the trained weights.

To add one: a file here with a subclass of :class:`FrameModel`, its entry in ``registry.py``, its
section in ``config.py`` and ``params.yaml``, and its tests (see docs/changing.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
from keras import ops

from soundloom.models.config import ModelConfig, Shapes

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

Progress = Callable[[range], Iterable[int]]
"""What a loop over steps runs through in place of its range: by tqdm, with a bar."""


class Example(NamedTuple):
    """What the network is trained on, of one batch of windows."""

    inputs: Any
    """What the network is given: an array, or a tuple of arrays."""
    targets: np.ndarray
    """``(batch, n_steps, …)``: what its outputs should be; at step ``t`` of the step after it."""
    weights: np.ndarray | None = None
    """``(batch, n_steps)``, how much each target counts in the loss; None: all alike.

    With weights in training alone, its ``loss`` is on another scale than ``val_loss``.
    """


class FrameModel(ABC):
    """Fit on windows of frames; continue prompts."""

    network: keras.Model
    """What gradient descent trains, from the inputs to the outputs of :meth:`example`."""

    @classmethod
    @abstractmethod
    def build(
        cls, config: ModelConfig, n_bins: int, frames_per_second: float, train: Batches
    ) -> Self:
        """An untrained model for frames of ``n_bins`` values; weights from Keras's global seed.

        What must stand before gradient descent starts is fitted on the training windows.
        """

    @abstractmethod
    def example(
        self,
        windows: np.ndarray,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Example:
        """Inputs, targets and weights of one batch of windows, ``(batch, n_frames, n_bins)``.

        With ``training``, a model may corrupt, crop or withhold for its own good, by ``rng``, which
        is needed then. Without, examples are plain, and losses on them can be compared.
        """

    @abstractmethod
    def loss(self, targets: Any, outputs: Any, weights: Any = None) -> Any:
        """The mean loss over all steps of a batch, a scalar.

        With ``weights`` (batch, n_steps), of :class:`Example`, the weighted mean.
        """

    def baseline_losses(self, train: Batches, validation: Batches) -> dict[str, float]:
        """Validation losses of predictors that learn nothing, in the unit of :meth:`loss`."""
        return {}

    def adapted(self, config: ModelConfig, train: Batches) -> Self:
        """This model, trained on other recordings, ready to be trained on these; by default itself.

        The network keeps its weights; what ``config`` has learned anew, and what is estimated
        without the network, comes from ``train``.
        """
        return self

    def calibrated(self, validation: Batches) -> Self:
        """This model with whatever depends on its trained weights estimated; itself by default."""
        return self

    @property
    def has_turns(self) -> bool:
        """Whether it knows how to go to another section, and back."""
        return False

    @abstractmethod
    def sample(
        self,
        prompts: np.ndarray,
        n_frames: int,
        *,
        temperature: float,
        top_p: float = 1.0,
        section_seconds: float = 0.0,
        rngs: Sequence[np.random.Generator],
        progress: Progress = iter,
    ) -> np.ndarray:
        """Continue each prompt by ``n_frames`` frames.

        ``prompts`` (n_prompts, prompt_frames ≥ 1, n_bins) → (n_prompts, n_frames, n_bins) float32
        in [0, 1]. ``temperature`` 0 always takes the likeliest frame; ``top_p`` in (0, 1] is the
        share of probability, the likeliest part, that choices are drawn from. After about every
        ``section_seconds``, unless that is 0, a model that knows turns goes to another section or
        comes back. ``rngs``, one a prompt, are the only randomness. A continuation does not depend
        on the others. The loop that takes the time runs through ``progress``, whose errors end it.
        """

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs, beside the weights of ``network``."""

    @classmethod
    @abstractmethod
    def shapes(cls, config: ModelConfig, n_bins: int) -> Shapes:
        """Shapes of :meth:`arrays`, by which those that do not fit are refused; all are floats."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls,
        config: ModelConfig,
        n_bins: int,
        frames_per_second: float,
        arrays: Mapping[str, np.ndarray],
    ) -> Self:
        """Rebuild from :meth:`arrays`, whose shapes fit; the weights of ``network`` come next."""


def weighted_mean(of_steps: Any, weights: Any) -> Any:
    """The mean of ``(batch, n_steps)`` losses, each counting by its weight."""
    return ops.sum(weights * of_steps) / ops.sum(weights)
