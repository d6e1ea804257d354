"""Frames of clicks whose tempo and places are known, and sequences to ask features of."""

from __future__ import annotations

import numpy as np

from soundloom.models.conditioning.base import Sequences

FRAMES_PER_SECOND = 86.1
N_BINS = 32


def click_frames(bpm: float, first_frame: float, n_frames: int = 512) -> np.ndarray:
    """``(1, n_frames, N_BINS)``: every beat a bright frame that fades, a faint one halfway."""
    frames = np.full((1, n_frames, N_BINS), 0.1, np.float32)
    spacing = FRAMES_PER_SECOND * 60.0 / bpm / 2
    for number, place in enumerate(np.arange(first_frame, n_frames, spacing)):
        fade = (0.8 if number % 2 == 0 else 0.1) * 0.6 ** np.arange(12)
        rest = frames[0, round(place) : round(place) + 12]
        rest += fade[: len(rest), None]
    return np.clip(frames, 0.0, 1.0)


def sequences(frames: np.ndarray, latents: np.ndarray, n_to_come: int = 0) -> Sequences:
    """Sequences of steps of two frames, with ``n_to_come`` steps to be drawn after them."""
    n_latents = latents.shape[2]
    return Sequences(
        frames=frames,
        latents=latents,
        statistics=np.zeros((len(frames), 2 * n_latents), np.float32),
        n_steps=latents.shape[1] + n_to_come - 1,
        stack_frames=2,
        frames_per_second=FRAMES_PER_SECOND,
    )
