"""The ground every picture is drawn on: its size, places and colours, and how it is saved.

Figures are built through matplotlib's objects, never through ``pyplot``: no window system, no
global state, safe in parallel workers. matplotlib is imported when the first figure is drawn, so
a module that only might draw does not pay for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soundloom.common.evenly import evenly_spaced
from soundloom.common.io import written_aside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 9.0, 3.2, 100
# About as many as the plot area has pixels: more cost time and cannot be seen.
MAX_COLUMNS = 800
# Where the axes lie, as shares of the picture: fixed, so that pictures laid beside each other line
# up, and so that the listening page can move a playhead over them.
LEFT, RIGHT, BOTTOM, TOP = 0.09, 0.985, 0.16, 0.91
HEAT_MAP_RIGHT, COLOUR_BAR_LEFT, COLOUR_BAR_WIDTH = 0.91, 0.92, 0.014
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


@contextmanager
def figure_at(path: Path, title: str, n_columns: int = 1) -> Iterator[tuple[Figure, Any]]:
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


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG, atomically, without the metadata that names matplotlib's version."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # A title in a script the font lacks shows boxes; that is no reason to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(aside, format="png", metadata={"Software": None})


def column_starts(length: int) -> np.ndarray:
    """Where each of at most ``MAX_COLUMNS`` nearly equal runs of ``length`` items starts."""
    return np.array(evenly_spaced(length, MAX_COLUMNS), dtype=int)
