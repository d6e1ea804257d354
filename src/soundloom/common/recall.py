"""What may know arrays that are asked for: handed to functions that otherwise make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
Recall = Callable[[Sequence[Any], Callable[[], Arrays]], Arrays]
"""``recall(made_of, make)`` gives what ``make`` gives, without it where that is known.

``made_of`` is all that ``make`` makes its arrays of: arrays, files and what is JSON.
"""


def anew(made_of: Sequence[Any], make: Callable[[], Arrays]) -> Arrays:
    """The :data:`Recall` that knows nothing."""
    return make()
