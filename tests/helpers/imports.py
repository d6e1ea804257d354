"""Which first-party modules a stage imports, found by reading the code, not by running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def closure(module: str) -> set[Path]:
    """Files, relative to the project's root, that ``module`` is made of and imports, at any depth.

    Imports inside functions count; imports for type checkers alone do not. Templates and other
    files that lie beside a module under its own name (``report.py``, ``report.html.j2``) count too.
    """
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for file in _files(name):
            if file in seen:
                continue
            seen.add(file)
            seen.update(file.parent.glob(f"{file.stem}.*.j2"))
            waiting += [found for found in _imported(file) if found.startswith("soundloom")]
    return {file.relative_to(SOURCE.parent) for file in seen}


def _files(name: str) -> Iterator[Path]:
    """The module's file, and the ``__init__`` files that run before it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        folder = SOURCE.joinpath(*parts[:depth])
        for file in (folder / "__init__.py", folder.with_suffix(".py")):
            if file.exists():
                yield file


def _imported(file: Path) -> Iterator[str]:
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from package import module` imports the module as well.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)
