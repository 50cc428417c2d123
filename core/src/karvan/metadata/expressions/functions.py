"""Functions of the language on each engine; they stand in computed values only, never in a bare comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from karvan.metadata.textkeys import sort_key

SQLITE_FUNCTIONS: list[tuple[str, int, Callable[..., Any]]] = [
    ("kv_fold", 1, lambda text: None if text is None else sort_key(text)),
]
POSTGRESQL_FUNCTIONS: list[str] = []
