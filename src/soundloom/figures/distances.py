"""Bars of the distances of sets of recordings, as a PNG file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from soundloom.figures.canvas import ACCENT, GREY, INK, figure_at


def draw_distances(path: Path, sets: Mapping[str, Mapping[str, float]]) -> None:
    """Draw FAD and KAD of sets of recordings as bars, with their intervals, the first in colour.

    ``sets`` maps a set's name to numbers that hold ``fad``, ``kad`` and, where known, ``fad_low``,
    ``fad_high`` and so on. Distances spread over decades: the axis is linear up to 10, then
    logarithmic.
    """
    with figure_at(path, "", n_columns=2) as (figure, both_axes):
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
