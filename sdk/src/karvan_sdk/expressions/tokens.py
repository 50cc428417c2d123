"""Text to tokens: the one place that knows characters, quotes and spellings."""

from __future__ import annotations

import re
from typing import NamedTuple

from karvan_sdk.expressions.errors import ExpressionError

TEXT_LIMIT = 4000


class Token(NamedTuple):
    """A word of the language: its kind (num, date, datetime, text, name, label, op, end) and place."""

    kind: str
    value: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""[\s\u00a0\u200c\u200e\u200f\ufeff]*(?:
      (?P<datetime>\d{4}-\d{2}-\d{2}[Tt][0-9:.+\-Zz]*)
    | (?P<date>\d{4}-\d{2}-\d{2}(?!\d))
    | (?P<num>\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<op>\.\.|==|!=|<>|<=|>=|\?\?|&&|\|\||[=<>≥≤≠+\-−*×/÷&(),،.!%;])
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“[^”]*”|«[^»]*»)
    | \{(?P<label>[^{}]*)\}
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SPELLINGS = {"==": "=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!=", "×": "*", "÷": "/", "−": "-", "،": ","}
_REFUSED = {"&&": ("and_word", "and"), "||": ("or_word", "or"), "!": ("unexpected", "not"),
            "%": ("unexpected", "mod(…)")}  # fmt: skip
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t"}
UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that no expression may hold."""
"""Characters that no expression may hold."""
_NAMES = ("datetime", "date", "num", "name", "op", "text", "label", "end")


def _unquote(text: str) -> str:
    inner = text[1:-1]
    if "\\" in inner and text[0] in "\"'":
        return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), inner)
    return inner


def ascii_digits(text: str) -> str:
    """The text with any script's digits as 0 to 9."""
    return text if text.isascii() else "".join(str(int(c)) if c.isdecimal() else c for c in text)


def tokenize(text: str) -> list[Token]:
    """All tokens, an `end` token last; raises ExpressionError."""
    if len(text) > TEXT_LIMIT:
        raise ExpressionError("too_long", TEXT_LIMIT, TEXT_LIMIT, limit=TEXT_LIMIT, length=len(text))
    bad = UNWRITABLE.search(text)
    if bad:
        raise ExpressionError("bad_char", bad.start(), bad.end(), found=f"U+{ord(bad[0]):04X}")
    tokens: list[Token] = []
    at, match = 0, _TOKEN.match
    while True:
        found = match(text, at)
        if found is None:
            raise _unreadable(text, at)
        kind = found.lastgroup or "end"
        value = found[kind]
        start, at = found.span(kind)
        if kind == "op":
            value = _SPELLINGS.get(value, value)
            if value in _REFUSED:
                code, wanted = _REFUSED[value]
                raise ExpressionError(
                    code, start, at, hint="write", hint_params={"text": wanted}, found=value
                )
        elif kind == "text":
            value = _unquote(value)
        elif kind == "label":
            at = found.end()
            start -= 1
        elif kind in ("num", "date", "datetime"):
            value = ascii_digits(value)
        tokens.append(Token(kind, value, start, at))
        if kind == "end":
            return tokens


def _unreadable(text: str, at: int) -> ExpressionError:
    while text[at].isspace() or text[at] in "\u00a0\u200c\u200e\u200f\ufeff":
        at += 1
    if text[at] in "\"'“«":
        return ExpressionError("open_text", at, len(text))
    return ExpressionError("bad_char", at, at + 1, found=text[at])
