"""Linear algebra on one thread, whatever the machine has and the user set.

How a sum is shared out among threads decides how it is rounded: on another number of cores, the
frames of a prompt would differ in their last bits, and what a model makes of them in all of theirs.
"""

from __future__ import annotations

import os

_NAMES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def one_thread_for_linear_algebra() -> None:
    """Set it for this process and its children. Call it before anything imports NumPy."""
    os.environ.update(dict.fromkeys(_NAMES, "1"))
