"""Pictures of sound: arrays in, PNG files out, the same bytes for the same arrays.

Figures are built through matplotlib's objects, never through ``pyplot``: no window system, no
global state, safe in parallel workers. matplotlib is imported when the first figure is drawn, so
a module that only might draw does not pay for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soundloom.common.io import written_aside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from soundloom.spectral.codec import FrameCodec

WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 9.0, 3.2, 100
# About as many as the plot area has pixels: more cost time and cannot be seen.
MAX_COLUMNS, MAX_ROWS = 800, 256
# Where the axes lie, as shares of the picture: fixed, so that pictures laid beside each other line
# up, and so that the listening page can move a playhead over them.
LEFT, RIGHT, BOTTOM, TOP = 0.09, 0.985, 0.16, 0.91
HEAT_MAP_RIGHT, COLOUR_BAR_LEFT, COLOUR_BAR_WIDTH = 0.91, 0.92, 0.014
COLOUR_MAP = "magma"
# On a clear ground, in tones that read on white paper and on a dark page alike.
INK, ACCENT, GREY, FAINT = "#5a7fb8", "#d9652b", "#75797f", "#8d939c66"
STYLE: Any = {  # Any: matplotlib types every key by name
    "backend": "agg",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.facecolor": "none",
    "legend.edgecolor": "none",
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), GREY
    ),
}
PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
FREQUENCY_TICKS_HZ = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000)


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG, atomically, without the metadata that names matplotlib's version."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # A title in a script the font lacks shows boxes; that is no reason to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(aside, format="png", metadata={"Software": None})


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
    with _figure(path, title) as (figure, axes):
        _heat_map(axes, frames, frequencies_hz, frames_per_second, limits=(0.0, 1.0))
        _colour_bar(figure, axes, colour_label)


def draw_encoded(path: Path, frames: np.ndarray, codec: FrameCodec, *, title: str = "") -> None:
    """:func:`draw_frames` of what ``codec`` made, ``(n_frames, n_bins)``: it knows the axes."""
    draw_frames(path, frames, codec.bin_frequencies_hz, codec.frames_per_second, title=title)


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
    with _figure(path, title) as (figure, axes):
        _heat_map(axes, frames_db, frequencies_hz, frames_per_second, limits=limits)
        _colour_bar(figure, axes, "dB (0: the loudest)")


def draw_waveform(path: Path, samples: np.ndarray, sample_rate_hz: int, *, title: str = "") -> None:
    """Draw the outline of ``(n_samples,)`` in [-1, 1] over seconds."""
    with _figure(path, title) as (_, axes):
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
    with _figure(path, title) as (_, axes):
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
    with _figure(path, title) as (_, axes):
        _outline(axes, samples, sample_rate_hz, FAINT)
        axes.plot(
            seconds, normalised, color=ACCENT, linewidth=0.9, label="spectral roll-off, normalised"
        )
        axes.legend(loc="lower right")


def draw_chroma(
    path: Path, chroma: np.ndarray, frames_per_second: float, *, title: str = ""
) -> None:
    """Draw a chromagram, ``(n_frames, 12)`` in [0, 1], pitch class C first."""
    columns, edges_s = _columns(chroma, frames_per_second)
    with _figure(path, title) as (figure, axes):
        _image(axes, columns, edges_s, np.arange(13) - 0.5, limits=(0.0, 1.0))
        axes.set_yticks(range(12), PITCH_CLASSES)
        axes.set(xlabel="time (s)", ylabel="pitch class")
        _colour_bar(figure, axes, "share of the strongest")


def draw_resampled(
    path: Path,
    before: tuple[np.ndarray, int],
    after: tuple[np.ndarray, int],
    spectra_db: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> None:
    """Draw a short stretch of waveform and the spectrum, before and after resampling.

    ``before`` and ``after`` are ``((n_samples,) samples, sample_rate_hz)``; ``spectra_db`` holds
    the power density of each, ``(n_bins,)`` in dB per Hz, evenly spaced from 0 Hz to half its rate.
    """
    colours, widths = (INK, ACCENT), (1.4, 0.9)
    with _figure(path, title, n_columns=2) as (_, (left, right)):
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


def draw_distances(path: Path, sets: Mapping[str, Mapping[str, float]]) -> None:
    """Draw FAD and KAD of sets of recordings as bars, with their intervals, the first in colour.

    ``sets`` maps a set's name to numbers that hold ``fad``, ``kad`` and, where known, ``fad_low``,
    ``fad_high`` and so on. Distances spread over decades: the axis is linear up to 10, then
    logarithmic.
    """
    with _figure(path, "", n_columns=2) as (figure, both_axes):
        figure.subplots_adjust(left=0.16, wspace=0.08)
        for axes, name in zip(both_axes, ("fad", "kad"), strict=True):
            values = [numbers[name] for numbers in sets.values()]
            colours = [ACCENT] + [INK] * (len(values) - 1)
            places = np.arange(len(values))
            axes.barh(places, values, color=colours, height=0.6)
            for place, (value, numbers) in enumerate(zip(values, sets.values(), strict=True)):
                low, high = numbers.get(f"{name}_low", value), numbers.get(f"{name}_high", value)
                axes.plot([low, high], [place, place], color=GREY, linewidth=1.2)
                axes.annotate(
                    f"{value:.0f}", (max(value, high, 0.0), place),
                    textcoords="offset points", xytext=(4, 0), va="center", fontsize=8,
                )  # fmt: skip
            axes.set_xscale("symlog", linthresh=10.0, linscale=0.6)
            axes.set_xlim(left=min(0.0, *values), right=3.0 * max(10.0, *values))
            axes.set_yticks(places, list(sets) if name == "fad" else [""] * len(values))
            axes.invert_yaxis()
            axes.set_xlabel(f"{name.upper()} to held-out audio: less is nearer")


@contextmanager
def _figure(path: Path, title: str, n_columns: int = 1) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure and its axes to draw on; saved at ``path`` afterwards."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # matplotlib's own defaults, whatever this user's matplotlibrc says: same bytes everywhere.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        figure.subplots_adjust(LEFT, BOTTOM, RIGHT, TOP, wspace=0.24)
        axes = figure.subplots(1, n_columns)
        # A name may hold a dollar sign: it is text, not mathematics.
        figure.suptitle(title, fontsize="medium", parse_math=False)
        yield figure, axes
        save_figure(figure, path)


def _outline(axes: Axes, samples: np.ndarray, sample_rate_hz: int, colour: str = INK) -> None:
    """Draw the lowest and highest sample of each column of the picture."""
    starts = _column_starts(len(samples))
    seconds = starts / sample_rate_hz
    lowest = np.minimum.reduceat(samples, starts)
    highest = np.maximum.reduceat(samples, starts)
    axes.fill_between(seconds, lowest, highest, color=colour, linewidth=0.6)
    axes.set(xlabel="time (s)", ylabel="amplitude", ylim=(-1.05, 1.05))
    axes.margins(x=0.0)


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
    starts = _column_starts(len(frames))
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


def _column_starts(length: int) -> np.ndarray:
    """Where each of at most ``MAX_COLUMNS`` nearly equal runs of ``length`` items starts."""
    n_columns = min(length, MAX_COLUMNS)
    return np.arange(n_columns) * length // n_columns


def _bin_edges(centres_hz: np.ndarray) -> np.ndarray:
    """``(n_bins,)`` positive ascending centres → ``(n_bins + 1,)`` edges, halfway on a log axis."""
    if len(centres_hz) == 1:
        return centres_hz[0] * np.array([2**-0.5, 2**0.5])
    between = np.sqrt(centres_hz[:-1] * centres_hz[1:])
    first, last = centres_hz[0] ** 2 / between[0], centres_hz[-1] ** 2 / between[-1]
    return np.concatenate([[first], between, [last]])
