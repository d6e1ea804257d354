"""The harmony plan: which harmonics sound when, slowly, so that chords come as in the prompt.

A model that draws step after step is pulled to the chord that is always likely, the tonic. So every
step has features of the harmonics that sound about then: the fine structure of the frames, smoothed
over a beat or so, on a few principal components. In training that is the window's own. A
continuation has its prompt's own, over and over, as many times four bars of it as there are: it
moves through their chords, and draws everything else, what is played on them, anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.ndimage import gaussian_filter1d
from threadpoolctl import threadpool_limits

from soundloom.models.conditioning.base import Conditioning, Features, Sequences, Widths
from soundloom.models.config import Shapes
from soundloom.models.latents import stacked
from soundloom.models.principal_components import fit_components

if TYPE_CHECKING:
    from soundloom.pairs.windows import Batches

N_COMPONENTS = 16
"""Principal components of the plan."""
NOWHERE = -1
"""The place of steps that there is no plan for."""

# Fine structure is what differs from a mean over bins so wide (a standard deviation): a third of an
# octave or less where the 224 mel bands of the default resolve harmonics.
_FINE_BINS = 3.0
# Above this share of the bins there are hardly harmonics, but much noise.
_HIGHEST_SHARE = 0.7
# Standard deviation of the smoothing: so slow that it shows chords, but no onsets.
_SMOOTHING_STEPS = 6.0
# A loop shall not begin with the very first steps, whose smoothing lacks what was before them.
_UNSURE_STEPS = 4
# Most steps that the plan comes early or late by in training.
_MOST_EARLY = 2
# Share of the windows without a plan in training.
_WITHHELD = 0.15


class HarmonyPlan(Conditioning):
    """Frames ``(…, n_frames, n_bins)`` → ``(…, n_steps, N_COMPONENTS)``, of mean variance 1."""

    def __init__(self, offset: np.ndarray, basis: np.ndarray, stack_frames: int):
        self._offset = offset
        """``(N_COMPONENTS,)``: the components of average harmonics, which are taken off."""
        self._basis = basis
        """``(N_COMPONENTS, n_bins)``: from steps, not from their fine structure, to components."""
        self._stack_frames = stack_frames

    @classmethod
    def widths(cls, n_latents: int) -> Widths:
        return Widths(scheduled=N_COMPONENTS + 1)

    @classmethod
    def fit(cls, train: Batches, stack_frames: int) -> Self:
        return cls.fit_windows(train.epoch(0), stack_frames)

    @classmethod
    def fit_windows(cls, windows: Iterable[np.ndarray], stack_frames: int) -> Self:
        """On training windows, batches of ``(batch, n_frames, n_bins)``."""
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

    def features(
        self,
        sequences: Sequences,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Features:
        n_known = sequences.latents.shape[1]
        places = loop_places(n_known, sequences.n_steps + 1, sequences.bar_lags)[:, 1:]
        plan = self.components(sequences.frames)
        if training:
            assert rng is not None
            return Features(scheduled=_varied(plan, places, rng))
        return Features(scheduled=_at(plan, places))

    def components(self, frames: np.ndarray) -> np.ndarray:
        """The plan of these frames at each of their whole steps; float32."""
        steps = stacked(frames, self._stack_frames).mean(axis=-2)
        # All of it is linear, so what is smoothed are few components, not many bins.
        return _slow(steps @ self._basis.T) - self._offset

    def arrays(self) -> dict[str, np.ndarray]:
        return {"plan_offset": self._offset, "plan_basis": self._basis}

    @classmethod
    def shapes(cls, n_bins: int) -> Shapes:
        return {"plan_offset": (N_COMPONENTS,), "plan_basis": (N_COMPONENTS, n_bins)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], stack_frames: int) -> Self:
        return cls(arrays["plan_offset"], arrays["plan_basis"], stack_frames)


def loop_places(n_known: int, n_steps: int, lags: np.ndarray) -> np.ndarray:
    """Where steps 0 to ``n_steps - 1`` find their plan: places ``(batch, n_steps)``.

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


def _varied(plan: np.ndarray, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """:func:`_at` in training: a little early or late, as a loop may be, and of some sequences
    nothing: a model must be able to do without.
    """
    nowhere = places == NOWHERE
    places = places + rng.integers(-_MOST_EARLY, _MOST_EARLY + 1, (len(places), 1))
    nowhere = nowhere | (rng.random((len(places), 1)) < _WITHHELD)
    places = np.clip(places, 0, plan.shape[1] - 1)
    return _at(plan, np.where(nowhere, NOWHERE, places))


def _at(plan: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The plan ``(batch, n_known, N_COMPONENTS)`` at ``places`` (batch, k), and if there is any.

    → ``(batch, k, N_COMPONENTS + 1)``.
    """
    nowhere = places == NOWHERE
    places = np.clip(places, 0, plan.shape[1] - 1)
    found = np.take_along_axis(plan, places[..., None], axis=1)
    found = np.concatenate([found, np.ones_like(found[..., :1])], axis=-1)
    return np.where(nowhere[..., None], 0.0, found).astype(np.float32)


def _fine(steps: np.ndarray) -> np.ndarray:
    """What of each row ``(…, n_bins)`` differs from the mean of nearby bins."""
    fine = steps - gaussian_filter1d(steps, _FINE_BINS, axis=-1)
    fine[..., round(_HIGHEST_SHARE * fine.shape[-1]) :] = 0.0
    return fine


def _slow(values: np.ndarray) -> np.ndarray:
    """Smoothed along steps: ``(…, n_steps, n)``."""
    return gaussian_filter1d(values, _SMOOTHING_STEPS, axis=-2, mode="nearest")
