"""The plan: which harmonics sound when, told slowly, so that chords come as they did in the prompt.

A model that draws step after step is pulled to the chord that is always likely, the tonic. So at
every step it is told the harmonics that sound about then: the fine structure of the frames,
smoothed over a beat or so, on a few principal components. In training that is the window's own. A
continuation is told its prompt's own, over and over, as many times four bars of it as there are: it
moves through their chords, and draws everything else, what is played on them, anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter1d
from threadpoolctl import threadpool_limits

from soundloom.models.latents import stacked
from soundloom.models.principal_components import fit_components

N_COMPONENTS = 16
"""Principal components the plan is told in."""
N_TOLD_OF_PLAN = N_COMPONENTS + 1
"""Values told at a step: the components, and whether there is a plan."""
NOWHERE = -1
"""The place of steps that there is no plan for."""

# Fine structure is what differs from a mean over bins so wide (a standard deviation): a third of an
# octave or less where the 224 mel bands of the default tell harmonics apart.
_FINE_BINS = 3.0
# Above this share of the bins there are hardly harmonics, but much noise.
_HIGHEST_SHARE = 0.7
# Standard deviation of the smoothing: so slow that it tells chords, but no strokes.
_SMOOTHING_STEPS = 6.0
# A loop shall not begin with the very first steps, whose smoothing lacks what was before them.
_UNSURE_STEPS = 4
# Most steps that the plan comes early or late by in training.
_MOST_EARLY = 2
# Share of the windows without a plan in training.
_WITHHELD = 0.15


class Plan:
    """``(…, n_frames, n_bins)`` → ``(…, n_steps, N_COMPONENTS)``, of mean variance 1."""

    def __init__(self, offset: np.ndarray, basis: np.ndarray, stack_frames: int):
        self._offset = offset
        """``(N_COMPONENTS,)``: what is told of average harmonics, if it were not taken off."""
        self._basis = basis
        """``(N_COMPONENTS, n_bins)``: steps, not their fine structure yet, to components."""
        self._stack_frames = stack_frames

    @classmethod
    def fit(cls, windows: Iterable[np.ndarray], stack_frames: int) -> Self:
        """Of training windows, batches of ``(batch, n_frames, n_bins)``."""
        steps = (stacked(batch, stack_frames).mean(axis=-2) for batch in windows)
        found = fit_components((_slow(_fine(step)) for step in steps), N_COMPONENTS)
        scale = 1.0 / np.sqrt(max(found.variances.mean(), 1e-12))
        n_bins = len(found.mean)
        # Frames of few bins have fewer components: the rest are 0, always.
        basis = np.zeros((N_COMPONENTS, n_bins))
        basis[: len(found.basis)] = found.basis * scale
        with threadpool_limits(1):
            offset, of_steps = basis @ found.mean, basis @ _fine(np.eye(n_bins)).T
        return cls(offset.astype(np.float32), of_steps.astype(np.float32), stack_frames)

    def of(self, frames: np.ndarray) -> np.ndarray:
        """What the plan of these frames is at each of their whole steps; float32."""
        steps = stacked(frames, self._stack_frames).mean(axis=-2)
        # All of it is linear, so what is smoothed are few components, not many bins.
        return _slow(steps @ self._basis.T) - self._offset

    def arrays(self) -> dict[str, np.ndarray]:
        """All that :meth:`from_arrays` needs."""
        return {"plan_offset": self._offset, "plan_basis": self._basis}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], stack_frames: int) -> Self | None:
        """Rebuild from :meth:`arrays`; ``None`` where there are none."""
        if "plan_basis" not in arrays:
            return None
        return cls(arrays["plan_offset"], arrays["plan_basis"], stack_frames)


def _fine(steps: np.ndarray) -> np.ndarray:
    """What of each row ``(…, n_bins)`` differs from the mean of nearby bins."""
    fine = steps - gaussian_filter1d(steps, _FINE_BINS, axis=-1)
    fine[..., round(_HIGHEST_SHARE * fine.shape[-1]) :] = 0.0
    return fine


def _slow(values: np.ndarray) -> np.ndarray:
    """Smoothed along steps: ``(…, n_steps, n)``."""
    return gaussian_filter1d(values, _SMOOTHING_STEPS, axis=-2, mode="nearest")


def looped(n_known: int, n_steps: int, lags: np.ndarray) -> np.ndarray:
    """Where the plan of steps 0 to ``n_steps - 1`` is to be had: ``(batch, n_steps)`` places.

    Known steps have their own. Those after them go again and again through the last of the known,
    as many whole lags of them as there are, of the longest of ``lags`` (batch, k), ascending, that
    fits. Where none does, all places beyond are :data:`NOWHERE`.
    """
    places = np.tile(np.arange(n_steps), (len(lags), 1))
    beyond = places >= n_known
    fits = lags <= n_known - _UNSURE_STEPS
    longest = np.where(fits, lags, 1).max(axis=1, keepdims=True)
    length = longest * np.maximum((n_known - _UNSURE_STEPS) // longest, 1)
    back = -(-(places - n_known + 1) // length) * length
    places = np.where(beyond, places - back, places)
    return np.where(beyond & ~fits.any(axis=1, keepdims=True), NOWHERE, places)


def told_of_plan(
    plan: np.ndarray, places: np.ndarray, rng: np.random.Generator | None = None
) -> np.ndarray:
    """The plan ``(batch, n_known, N_COMPONENTS)`` at ``places`` (batch, k), and if there is any.

    → ``(batch, k, N_TOLD_OF_PLAN)``. With ``rng``, in training, it comes a little early or late, as
    a loop may, and of some sequences none is told: a model must be able to do without.
    """
    withheld = places == NOWHERE
    if rng is not None:
        places = places + rng.integers(-_MOST_EARLY, _MOST_EARLY + 1, (len(places), 1))
        withheld = withheld | (rng.random((len(places), 1)) < _WITHHELD)
    places = np.clip(places, 0, plan.shape[1] - 1)
    told = np.take_along_axis(plan, places[..., None], axis=1)
    told = np.concatenate([told, np.ones_like(told[..., :1])], axis=-1)
    return np.where(withheld[..., None], 0.0, told).astype(np.float32)
