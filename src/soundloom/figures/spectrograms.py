"""Heat maps over time: spectrograms and chromagrams as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundloom.figures.canvas import (
    BOTTOM,
    COLOUR_BAR_LEFT,
    COLOUR_BAR_WIDTH,
    HEAT_MAP_RIGHT,
    LEFT,
    TOP,
    column_starts,
    figure_at,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from soundloom.spectral.codec import FrameCodec

# About as many as the plot area has pixels: more cost time and cannot be seen.
MAX_ROWS = 256
COLOUR_MAP = "magma"
PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
FREQUENCY_TICKS_HZ = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000)


def draw_frames(
    path: Path,
    frames: np.ndarray,
    frequencies_hz: np.ndarray,
    frames_per_second: float,
    *,
    title: str = "",
    colour_label: str = "",
) -> None:
    """Draw a spectrogram of scaled frames: seconds across, frequency up on a log axis.

    ``frames`` is ``(n_frames, n_bins)`` in [0, 1]; ``frequencies_hz`` is ``(n_bins,)``, ascending,
    the centre of each bin; a first bin at 0 Hz has no place on a log axis and is left out. Frame
    ``i`` is centred at ``i / frames_per_second`` seconds.
    """
    with figure_at(path, title) as (figure, axes):
        _heat_map(axes, frames, frequencies_hz, frames_per_second, limits=(0.0, 1.0))
        _colour_bar(figure, axes, colour_label)


def draw_encoded(path: Path, frames: np.ndarray, codec: FrameCodec, *, title: str = "") -> None:
    """:func:`draw_frames` of what ``codec`` made, ``(n_frames, n_bins)``, on its axes.

    Of stereo the mid.
    """
    mid, frequencies_hz = codec.mid(frames), codec.bin_frequencies_hz
    draw_frames(path, mid, frequencies_hz, codec.frames_per_second, title=title)


def draw_decibels(
    path: Path,
    frames_db: np.ndarray,
    frequencies_hz: np.ndarray,
    frames_per_second: float,
    *,
    title: str = "",
) -> None:
    """Like :func:`draw_frames`, for ``(n_frames, n_bins)`` in dB below the loudest, which is 0."""
    limits = (float(frames_db.min(initial=-1.0)), 0.0)
    with figure_at(path, title) as (figure, axes):
        _heat_map(axes, frames_db, frequencies_hz, frames_per_second, limits=limits)
        _colour_bar(figure, axes, "dB (0: the loudest)")


def draw_chroma(
    path: Path, chroma: np.ndarray, frames_per_second: float, *, title: str = ""
) -> None:
    """Draw a chromagram, ``(n_frames, 12)`` in [0, 1], pitch class C first."""
    columns, edges_s = _columns(chroma, frames_per_second)
    with figure_at(path, title) as (figure, axes):
        _image(axes, columns, edges_s, np.arange(13) - 0.5, limits=(0.0, 1.0))
        axes.set_yticks(range(12), PITCH_CLASSES)
        axes.set(xlabel="time (s)", ylabel="pitch class")
        _colour_bar(figure, axes, "share of the strongest")


def _heat_map(
    axes: Axes,
    frames: np.ndarray,
    frequencies_hz: np.ndarray,
    frames_per_second: float,
    limits: tuple[float, float],
) -> None:
    """Draw ``(n_frames, n_bins)`` as colour over seconds and a log axis of frequency."""
    audible = frequencies_hz > 0
    columns, edges_s = _columns(frames[:, audible], frames_per_second)
    edges_octaves = np.log2(_bin_edges(frequencies_hz[audible]))
    _image(axes, _rows(columns, edges_octaves), edges_s, edges_octaves, limits)
    lowest, highest = edges_octaves[0], edges_octaves[-1]
    ticks_hz = [tick for tick in FREQUENCY_TICKS_HZ if lowest <= np.log2(tick) <= highest]
    axes.set_yticks(np.log2(ticks_hz), [str(tick) for tick in ticks_hz])
    axes.set(xlabel="time (s)", ylabel="frequency (Hz)")


def _image(
    axes: Axes,
    cells: np.ndarray,
    across: np.ndarray,
    upwards: np.ndarray,
    limits: tuple[float, float],
) -> None:
    """Draw ``(n_columns, n_rows)`` equal cells between the outermost edges given."""
    axes.imshow(
        cells.T,
        aspect="auto",
        origin="lower",
        extent=(across[0], across[-1], upwards[0], upwards[-1]),
        interpolation="nearest",
        cmap=COLOUR_MAP,
        vmin=limits[0],
        vmax=limits[1],
    )


def _colour_bar(figure: Figure, axes: Axes, label: str) -> None:
    """Make room beside the image drawn on ``axes`` for the scale of its colours."""
    axes.set_position((LEFT, BOTTOM, HEAT_MAP_RIGHT - LEFT, TOP - BOTTOM))
    bar = figure.add_axes((COLOUR_BAR_LEFT, BOTTOM, COLOUR_BAR_WIDTH, TOP - BOTTOM))
    figure.colorbar(axes.images[-1], cax=bar, label=label)


def _columns(frames: np.ndarray, frames_per_second: float) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring frames until at most ``MAX_COLUMNS`` are left.

    Returns the columns, ``(n_columns, n_bins)``, and the seconds they lie between,
    ``(n_columns + 1,)``.
    """
    starts = column_starts(len(frames))
    ends = np.append(starts[1:], len(frames))
    sums = np.add.reduceat(frames, starts, axis=0, dtype=np.float64)
    edges_s = (np.append(starts, len(frames)) - 0.5) / frames_per_second
    return sums / (ends - starts)[:, None], edges_s


def _rows(columns: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Average bins, which lie between ``edges``, over ``MAX_ROWS`` rows of equal height.

    ``(n_columns, n_bins)`` → ``(n_columns, MAX_ROWS)``. Drawing bins of unequal height one by one
    takes seconds where this takes milliseconds.
    """
    # The integral up to each row's edge; differences between neighbours are what the row holds.
    integral = np.cumsum(columns * np.diff(edges), axis=1)
    integral = np.concatenate([np.zeros((len(columns), 1)), integral], axis=1)
    place = np.interp(np.linspace(edges[0], edges[-1], MAX_ROWS + 1), edges, np.arange(len(edges)))
    below = np.minimum(place.astype(int), len(edges) - 2)
    share = place - below
    up_to_edge = (1.0 - share) * integral[:, below] + share * integral[:, below + 1]
    return np.diff(up_to_edge, axis=1) * MAX_ROWS / (edges[-1] - edges[0])


def _bin_edges(centres_hz: np.ndarray) -> np.ndarray:
    """``(n_bins,)`` positive ascending centres → ``(n_bins + 1,)`` edges, halfway on a log axis."""
    if len(centres_hz) == 1:
        return centres_hz[0] * np.array([2**-0.5, 2**0.5])
    between = np.sqrt(centres_hz[:-1] * centres_hz[1:])
    first, last = centres_hz[0] ** 2 / between[0], centres_hz[-1] ** 2 / between[-1]
    return np.concatenate([[first], between, [last]])
