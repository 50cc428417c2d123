"""The expression language, first part: text to a typed tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from karvan_sdk.errors import BadInput

TEXT_MAX, NODES_MAX, DEPTH_MAX, LIST_MAX, PATH_MAX = 4000, 400, 32, 200, 3


class ExpressionError(BadInput):
    """An expression can't be understood; `position` and `end` are places in its text, from 0."""

    code: ClassVar[str] = "expression"

    def __init__(self, code: str, message: str, position: int, end: int) -> None:
        super().__init__(message, field="filter")
        self.code = code  # type: ignore[misc]  # a code per finding, stable as those of classes
        self.position = position
        self.end = end


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """What the language knows of a field."""

    path: tuple[str, ...]
    uid: tuple[str, ...]
    type: str
    scale: int = 0
    options: tuple[str, ...] = ()
    target: str = ""


class Scope(Protocol):
    """The fields that may be named; None for an unknown and for a forbidden one."""

    def field(self, path: tuple[str, ...]) -> FieldInfo | None: ...
    def names(self) -> Iterable[str]: ...


@dataclass(frozen=True)
class Node:
    """A typed node: `kind`, its `type`, its parts, and where it stands."""

    kind: str
    type: str
    args: tuple[Any, ...]
    position: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Token:
    kind: str
    text: str
    value: Any
    position: int
    end: int


_UNITS = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2}))
    |(?P<date>\d{4}-\d{2}-\d{2})
    |(?P<number>\d+(?:\.(?!\.)\d+)?)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“[^”]*”|«[^»]*»)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<op>\.\.|<=|>=|!=|==|<>|[=<>+\-*/(),.]|≤|≥|≠)""",
    re.VERBOSE,
)
_SAME = {"==": "=", "<>": "!=", "≤": "<=", "≥": ">=", "≠": "!="}
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩،", "01234567890123456789,")
_SPANS = ("day", "week", "month", "quarter", "year")
_PERIODS = {f"{which}_{span}" for which in ("this", "last", "next") for span in _SPANS}
_PERIODS |= {"last_days", "next_days"}


def tokenize(text: str) -> list[Token]:
    """The tokens of a text."""
    if len(text) > TEXT_MAX:
        raise ExpressionError("too_long", f"At most {TEXT_MAX} characters fit.", 0, len(text))
    found: list[Token] = []
    at = 0
    source = text.translate(_DIGITS)
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            sign = text[at]
            code = "open_text" if sign in "\"'“«" else "bad_char"
            hint = {"&": " (write and)", "|": " (write or)", "!": " (write not)"}.get(sign, "")
            raise ExpressionError(code, f"'{sign}' is not understood here{hint}.", at, at + 1)
        kind, end = match.lastgroup or "", match.end()
        if kind != "space":
            raw = text[at:end]
            plain = source[at:end]
            value = _value(kind, raw, plain, at, end)
            found.append(Token(kind=kind, text=_SAME.get(raw, plain), value=value, position=at, end=end))
        at = end
    found.append(Token(kind="end", text="", value=None, position=len(text), end=len(text)))
    return found


def _value(kind: str, raw: str, plain: str, at: int, end: int) -> Any:
    try:
        if kind == "datetime":
            return datetime.fromisoformat(plain).astimezone(UTC)
        if kind == "date":
            return date.fromisoformat(plain)
    except (ValueError, OverflowError):
        raise ExpressionError("bad_date", f"There is no date {plain}.", at, end) from None
    if kind == "number":
        if len(plain) > 27:
            raise ExpressionError("number_size", "The number is too long.", at, end)
        return Decimal(plain)
    if kind == "text":
        inner = raw[1:-1]
        if raw[0] in "\"'":
            inner = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), inner)
        if "\x00" in inner:
            raise ExpressionError("bad_char", "A text may not hold this character.", at, end)
        return inner
    return None
