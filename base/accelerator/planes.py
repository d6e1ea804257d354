"""Arrays of small integers in few bytes: each feature's course compressed by itself."""

from __future__ import annotations

import bz2
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

FRAME_LEVELS = 53
"""Of a frame's values: 1.5 dB apart where the range is 80 dB."""
PLAN_LEVELS, PLAN_STEPS = 16, 4
"""Plans are kept in sixteenths, as means of so many steps: they change slowly."""
_ROWS = 250


def write_planes(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays ``(n_windows, n_steps, n)`` of 8 bits into an existing folder."""
    described = {}
    for name, array in arrays.items():
        described[name] = {"shape": array.shape, "dtype": str(array.dtype)}
        starts = range(0, len(array), _ROWS)
        # bz2 lets go of the interpreter while it works.
        with ThreadPoolExecutor() as pool:
            parts = pool.map(lambda start, a=array: _compressed(a[start : start + _ROWS]), starts)
            for number, part in enumerate(parts):
                (folder / f"{name}-{number:03d}.bz2").write_bytes(part)
    (folder / "planes.json").write_text(json.dumps(described))


def read_planes(folder: Path, name: str) -> np.ndarray:
    """One of the arrays that :func:`write_planes` wrote."""
    described = json.loads((folder / "planes.json").read_text())[name]
    n_windows, n_steps, n = described["shape"]
    blocks = [(min(_ROWS, n_windows - start), n) for start in range(0, n_windows, _ROWS)]

    def part(number: int) -> np.ndarray:
        data = bz2.decompress((folder / f"{name}-{number:03d}.bz2").read_bytes())
        values = np.frombuffer(data, described["dtype"]).reshape(n, blocks[number][0], n_steps)
        return np.moveaxis(values, 0, 2)

    with ThreadPoolExecutor() as pool:
        return np.concatenate(list(pool.map(part, range(len(blocks)))))


def _compressed(rows: np.ndarray) -> bytes:
    return bz2.compress(np.ascontiguousarray(np.moveaxis(rows, 2, 0)).tobytes(), 9)
