"""A piece of SQL text with its bound values: `?` for each value, in order, on both engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """SQL text and the values of its `?` marks, in the engine's form."""

    text: str
    params: tuple[Any, ...] = ()
