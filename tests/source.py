"""Reading the project's own source: which files there are, which modules they import, what they spell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("sdk/src", "core/src", "plugins/*/src", "marketplace/src")


def source_files() -> Iterator[tuple[str, Path]]:
    """(module name, path) of every Python file that is shipped."""
    for pattern in SOURCES:
        for folder in sorted(ROOT.glob(pattern)):
            for path in sorted(folder.rglob("*.py")):
                yield module_name(path.relative_to(folder)), path


def module_name(path: Path) -> str:
    """`karvan/web/pages.py` → `karvan.web.pages`; a package's `__init__` is the package."""
    parts = list(path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(text: str, module: str, *, package: bool = False) -> list[tuple[int, str]]:
    """(line, dotted name) of all that a source imports, wherever in the file it does so.

    Imports inside functions, under TYPE_CHECKING and by `import_module("...")` count like all others.
    `from a import b` gives `a.b`, because `b` may be a module.
    """
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, module, package=package)
            found += [(node.lineno, f"{base}.{name.name}") for name in node.names]
        elif isinstance(node, ast.Call):
            found += [(node.lineno, name) for name in _imported_by_call(node)]
    return found


def _base(node: ast.ImportFrom, module: str, *, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - 1 if package else node.level
    base = parts[: len(parts) - up]
    return ".".join([*base, node.module] if node.module else base)


def _imported_by_call(node: ast.Call) -> Iterator[str]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in ("import_module", "__import__") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the string nodes that stand alone as a statement: docstrings of any kind."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
