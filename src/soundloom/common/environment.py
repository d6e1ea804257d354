"""What decides, beside its input, which bytes come of work in this process."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
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


def code_fingerprint(folders: Iterable[str] = (".",)) -> str:
    """SHA-256, in hex, of the code in folders of this package, by default all, as it lies now.

    In whatever order they are named, and how often; modules count by their places, too.
    """
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for file in sorted({file for folder in folders for file in (package / folder).rglob("*.py")}):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(package).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()
