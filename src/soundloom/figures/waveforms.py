"""Curves of samples over time: waveforms, and what is drawn over them, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundloom.figures.canvas import ACCENT, FAINT, GREY, INK, column_starts, figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_waveform(path: Path, samples: np.ndarray, sample_rate_hz: int, *, title: str = "") -> None:
    """Draw the outline of ``(n_samples,)`` in [-1, 1] over seconds."""
    with figure_at(path, title) as (_, axes):
        _outline(axes, samples, sample_rate_hz)


def draw_zoom(
    path: Path,
    samples: np.ndarray,
    start_sample: int,
    crossings: np.ndarray,
    *,
    title: str = "",
) -> None:
    """Draw every one of a few ``(n_samples,)`` samples, and mark where the signal changes sign.

    ``crossings`` are indices into ``samples``: the first sample of each new sign.
    """
    numbers = start_sample + np.arange(len(samples))
    with figure_at(path, title) as (_, axes):
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.plot(numbers, samples, color=INK, marker=".", markersize=4, linewidth=1)
        axes.plot(
            numbers[crossings], samples[crossings], "o", color=ACCENT, label="sign changes here"
        )
        axes.margins(x=0.01, y=0.2)  # Room above for the legend.
        axes.set_xlabel("sample number")
        axes.set_ylabel("amplitude")
        axes.legend(loc="upper right")


def draw_rolloff(
    path: Path,
    samples: np.ndarray,
    sample_rate_hz: int,
    rolloff_hz: np.ndarray,
    frames_per_second: float,
    *,
    title: str = "",
) -> None:
    """Draw the waveform, and over it the spectral roll-off, ``(n_frames,)`` Hz, scaled to [0, 1].

    Frame ``i`` is centred at ``i / frames_per_second`` seconds.
    """
    span_hz = float(np.ptp(rolloff_hz))
    normalised = (rolloff_hz - rolloff_hz.min()) / (span_hz if span_hz > 0 else 1.0)
    seconds = np.arange(len(rolloff_hz)) / frames_per_second
    with figure_at(path, title) as (_, axes):
        _outline(axes, samples, sample_rate_hz, FAINT)
        axes.plot(
            seconds, normalised, color=ACCENT, linewidth=0.9, label="spectral roll-off, normalised"
        )
        axes.legend(loc="lower right")


def draw_resampled(
    path: Path,
    before: tuple[np.ndarray, int],
    after: tuple[np.ndarray, int],
    spectra_db: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> None:
    """Draw a few milliseconds of waveform and the spectrum, before and after resampling.

    ``before`` and ``after`` are ``((n_samples,) samples, sample_rate_hz)``; ``spectra_db`` holds
    the power density of each, ``(n_bins,)`` in dB per Hz, evenly spaced from 0 Hz to half its rate.
    """
    colours, widths = (INK, ACCENT), (1.4, 0.9)
    with figure_at(path, title, n_columns=2) as (_, (left, right)):
        pairs = zip((before, after), spectra_db, colours, widths, strict=True)
        for (samples, rate_hz), spectrum_db, colour, width in pairs:
            label = f"{rate_hz} Hz"
            milliseconds = 1000.0 * np.arange(len(samples)) / rate_hz
            left.plot(milliseconds, samples, color=colour, linewidth=width, label=label)
            frequencies_hz = np.linspace(0.0, rate_hz / 2, len(spectrum_db))
            right.plot(frequencies_hz, spectrum_db, color=colour, linewidth=width, label=label)
        left.set(xlabel="time (ms)", ylabel="amplitude")
        right.set(xlabel="frequency (Hz)", ylabel="power density (dB per Hz)")
        left.margins(x=0.0)
        right.margins(x=0.0)
        right.legend(loc="upper right")


def _outline(axes: Axes, samples: np.ndarray, sample_rate_hz: int, colour: str = INK) -> None:
    """Draw the lowest and highest sample of each column of the picture."""
    starts = column_starts(len(samples))
    seconds = starts / sample_rate_hz
    lowest = np.minimum.reduceat(samples, starts)
    highest = np.maximum.reduceat(samples, starts)
    axes.fill_between(seconds, lowest, highest, color=colour, linewidth=0.6)
    axes.set(xlabel="time (s)", ylabel="amplitude", ylim=(-1.05, 1.05))
    axes.margins(x=0.0)
