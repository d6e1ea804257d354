"""Which first-party modules import which, found by reading the code, not by running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from params import REPOSITORY

SOURCE = REPOSITORY / "src"
PACKAGE = SOURCE / "soundloom"


def modules() -> list[Path]:
    """Every module of the package, relative to the repository's root."""
    return sorted(path.relative_to(REPOSITORY) for path in PACKAGE.rglob("*.py"))


def closure(module: str) -> set[Path]:
    """Files, relative to the repository's root, that ``module`` is and imports, at any depth.

    Imports inside functions count; imports for type checkers alone do not. Where a module is
    imported by a name put together as it runs (``f"soundloom.ingest.sources.{name}"``), all modules
    of that package count. Templates that lie beside a module under its name (``page.html.j2``
    beside ``page.py``) count too.
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
            waiting += [found for found in imported(file) if found.startswith("soundloom")]
    return {file.relative_to(REPOSITORY) for file in seen}


def holds_only_a_docstring(path: Path) -> bool:
    """Whether running the module does nothing; ``path`` is relative to the repository's root."""
    body = ast.parse((REPOSITORY / path).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


@cache
def imported(file: Path, *, type_checking: bool = False) -> tuple[str, ...]:
    """Full names of all that a file imports, anywhere in it.

    ``from package import name`` gives both ``package`` and ``package.name``, which may be a module.
    """
    return tuple(_imported(ast.parse(file.read_text(encoding="utf-8")), type_checking))


def _files(name: str) -> Iterator[Path]:
    """The module's file, and the ``__init__`` files that run before it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        folder = SOURCE.joinpath(*parts[:depth])
        for file in (folder / "__init__.py", folder.with_suffix(".py")):
            if file.exists():
                yield file


def _imported(tree: ast.AST, type_checking: bool) -> Iterator[str]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse + (node.body if type_checking else [])
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from _imported_by_name(node.args[0])
        waiting += ast.iter_child_nodes(node)


def _imported_by_name(name: ast.expr) -> Iterator[str]:
    """The module, or all modules of the package, that the argument of ``import_module`` names."""
    if isinstance(name, ast.Constant):
        yield str(name.value)
    elif isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
        package = str(name.values[0].value).rstrip(".")
        for file in sorted(SOURCE.joinpath(*package.split(".")).glob("*.py")):
            yield f"{package}.{file.stem}"
