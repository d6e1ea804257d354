"""Scripts that are no part of the package, as modules."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from params import REPOSITORY


def load_script(path: str) -> ModuleType:
    """The script at ``path`` in the repository."""
    spec = importlib.util.spec_from_file_location(path, REPOSITORY / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
