"""What decides, beside its input, which bytes come of work in this process."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np


@cache
def environment() -> dict[str, Any]:
    """What decides how numbers are rounded: Python, C, every package, the processor; JSON types."""
    found = np.show_config(mode="dicts")
    return {
        "Python": platform.python_version(),
        "C library": platform.libc_ver(),
        "processor": [platform.machine(), found["SIMD Extensions"] if found else None],
        "packages": sorted(f"{package.name} {package.version}" for package in distributions()),
    }


def code_fingerprint() -> str:
    """SHA-256, in hex, of all code of this package, as it lies in its files now."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(package).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()
