"""A few of many, evenly spaced: one way of choosing for clips, windows and prompts alike."""

from __future__ import annotations


def evenly_spaced(n_items: int, n_wanted: int, *, last: bool = False) -> list[int]:
    """Indices of up to ``n_wanted`` of ``n_items`` items, ascending, the first always among them.

    Each stands for an equal run of items and is the first of it; with ``last`` they reach from the
    first item to the very last instead.
    """
    n_chosen = min(n_wanted, n_items)
    if last and n_chosen > 1:
        return [round(number * (n_items - 1) / (n_chosen - 1)) for number in range(n_chosen)]
    return [number * n_items // n_chosen for number in range(n_chosen)]
