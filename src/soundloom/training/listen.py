"""What a model makes of one held-out prompt while it trains, so that one hears it learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from soundloom.pairs.windows import Batches
from soundloom.spectral.codec import FrameCodec

if TYPE_CHECKING:  # imports Keras, which choosing a backend must come before
    from soundloom.models.base import FrameModel


def loudest(held_out: Batches) -> np.ndarray:
    """The loudest window ``(n_frames, n_bins)`` of the first batch: a prompt, always the same."""
    windows = next(iter(held_out.epoch(0)))
    return windows[windows.mean(axis=(1, 2)).argmax()]


def take(
    model: FrameModel,
    codec: FrameCodec,
    prompt: np.ndarray,
    held_out: Batches,
    seconds: float = 10.0,
) -> np.ndarray:
    """Continue ``prompt`` by ``seconds``: float32 at the codec's rate, in its channels.

    With the weights of now and the same luck every time: what differs is what was learnt. Nothing
    that training draws from, or goes on with, is touched. Raises :class:`SoundloomError` when the
    weights make frames that are no numbers.
    """
    n_samples = round(seconds * codec.sample_rate_hz)
    frames = model.calibrated(held_out).sample(
        prompt[None],
        codec.config.n_frames_covering(n_samples),
        temperature=1.0,
        rngs=[np.random.default_rng(0)],
    )
    return codec.decode(frames[0], n_samples)
