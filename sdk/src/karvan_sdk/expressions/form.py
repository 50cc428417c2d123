"""The stored form (a JSON tree of uids) and the canonical text of an expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from karvan_sdk.errors import BadInput
from karvan_sdk.expressions.errors import ExpressionError
from karvan_sdk.expressions.parser import DEPTH_MAX, KEYWORDS, Node, parse, plain_number, read_date
from karvan_sdk.expressions.tokens import UNWRITABLE, Token

VERSION = 1
_LEVELS = {"or": 1, "and": 2, "not": 3, "cmp": 4, "in": 4, "search": 4, "isempty": 4, "range": 5,
           "coalesce": 6, "cat": 7, "neg": 10}  # fmt: skip
_ATOM = 11


def show(node: Node) -> str:
    """The canonical text: `parse(show(x))` is x."""
    return _show(node, 0)


def _show(node: Node, least: int) -> str:
    level, text = _text(node)
    return f"({text})" if level < least else text


def _text(node: Node) -> tuple[int, str]:
    kind, args = node.kind, node.args
    if kind == "not":
        return _negated(args[0])
    if kind in ("and", "or"):
        level = _LEVELS[kind]
        return level, f" {kind} ".join(_show(a, level + 1) for a in args)
    if kind in ("cmp", "search"):
        return 4, f"{_show(args[0], 5)} {node.value} {_show(args[1], 5)}"
    if kind == "in":
        return 4, f"{_show(args[0], 5)} in {_among(args[1])}"
    if kind == "isempty":
        return 4, f"{_show(args[0], 5)} is empty"
    if kind == "range":
        return 5, f"{_show(args[0], 6)} .. {_show(args[1], 6)}"
    if kind in ("coalesce", "cat"):
        level, sign = (6, " ?? ") if kind == "coalesce" else (7, " & ")
        return level, sign.join(_show(a, level + 1) for a in args)
    if kind == "arith":
        level = 8 if node.value in "+-" else 9
        return level, f"{_show(args[0], level)} {node.value} {_show(args[1], level + 1)}"
    if kind == "neg":
        return 10, f"-{_show(args[0], 10)}"
    return _ATOM, _atom(node)


def _negated(node: Node) -> tuple[int, str]:
    if node.kind == "in":
        return 4, f"{_show(node.args[0], 5)} not in {_among(node.args[1])}"
    if node.kind == "isempty":
        return 4, f"{_show(node.args[0], 5)} is not empty"
    return 3, f"not {_show(node, 4)}" if node.kind != "not" else f"not ({_show(node, 0)})"


def _among(node: Node) -> str:
    if node.kind == "list":
        return f"({', '.join(_show(a, 0) for a in node.args)})"
    return _show(node, 5)


def _atom(node: Node) -> str:
    kind, value = node.kind, node.value
    if kind == "field":
        return ".".join(_name(step) for step in value)
    if kind == "call":
        return f"{value}({', '.join(_show(a, 0) for a in node.args)})"
    if kind == "str":
        return quote(value)
    if kind == "bool":
        return "true" if value else "false"
    if kind == "date":
        return str(value.isoformat())
    if kind == "datetime":
        return moment(value)
    if kind == "duration":
        return f"{value[0]} {value[1]}{'' if value[0] == 1 else 's'}"
    if kind == "money":
        return f"{value[0]} {value[1]}"
    return "empty" if kind == "empty" else str(value)


def quote(text: str) -> str:
    """A text literal."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{inner}"'


def literal(value: str | int | Decimal | date | datetime | bool | None) -> str:
    """A value as it is written in an expression, so that data can never change what a filter means.

    Raises BadInput for a text with characters that no expression may hold, TypeError for another type.
    """
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            if bad := UNWRITABLE.search(value):
                raise BadInput(f"The text holds the character U+{ord(bad[0]):04X}.")
            return quote(value)
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
        case int() | Decimal():
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case _:
            raise TypeError(f"{type(value).__name__} can't be written in an expression.")


def moment(value: datetime) -> str:
    """A moment as it is written: UTC, without needless zeros."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return text + "Z"


def _name(step: str) -> str:
    plain = step.isascii() and step.isidentifier() and step.lower() not in KEYWORDS
    return step if plain else f"{{{step}}}"


# -- stored ----------------------------------------------------------------------------------------------

Uids = Callable[[tuple[str, ...]], Sequence[str]]
Path = Callable[[tuple[str, ...]], Sequence[str] | None]
_CODES = {"str": "s", "bool": "b", "date": "d", "datetime": "t", "duration": "q", "num": "n", "money": "m"}
_KINDS = {code: kind for kind, code in _CODES.items()}


def dump(node: Node, uids: Uids) -> list[Any]:
    """The JSON tree; `uids` gives the uids of a path of API names."""
    kind, value = node.kind, node.value
    parts = [dump(a, uids) for a in node.args]
    if kind == "field":
        return ["f", *uids(value)]
    if kind == "empty":
        return ["e"]
    if kind == "date":
        return ["d", value.isoformat()]
    if kind == "datetime":
        return ["t", moment(value)]
    if kind == "str":
        return ["o" if node.type.kind == "choice" else "s", value]
    if kind in ("duration", "money"):
        return [_CODES[kind], str(value[0]), value[1]]
    if kind in _CODES:
        return [_CODES[kind], value]
    if kind in ("cmp", "arith", "search", "call"):
        return ["tx" if kind == "search" else kind, value, *parts]
    return [kind, *parts]


def load(data: Any, path: Path) -> Node:
    """The tree of a stored form; `path` gives the API names of uids, None for a lost field.

    What was loaded is shown and read again, so that a damaged form meets the same rules as a text.
    """
    try:
        found = _load(data, path, 0)
        node = parse(show(found))
        if _plain(node) == _plain(found):
            return node
    except (IndexError, TypeError, ValueError, AttributeError, KeyError, OverflowError) as exc:
        raise ExpressionError("unexpected", found=str(data)[:40]) from exc
    raise ExpressionError("unexpected", found=str(data)[:40])


def _plain(node: Node) -> list[Any]:
    return dump(node, lambda names: names)


def _load(data: Any, path: Path, level: int) -> Node:
    if level > DEPTH_MAX:
        raise ExpressionError("too_deep", limit=DEPTH_MAX)
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        raise ExpressionError("unexpected", found=str(data)[:40])
    code, rest = data[0], data[1:]
    if code == "f":
        found = path(tuple(rest))
        if found is None:
            raise ExpressionError("lost_field", found=".".join(str(r) for r in rest))
        return Node("field", tuple(found), (), 0, 0)
    if code == "e":
        return Node("empty", None, (), 0, 0)
    if code in ("s", "o"):
        return Node("str", rest[0], (), 0, 0)
    if code in ("d", "t"):
        kind = _KINDS[code]
        return Node(kind, read_date(Token(kind, rest[0], 0, 0)), (), 0, 0)
    if code == "q":
        return Node("duration", (int(rest[0]), rest[1]), (), 0, 0)
    if code == "m":
        return Node("money", (rest[0], rest[1]), (), 0, 0)
    if code == "n":
        return Node("num", plain_number(Token("num", rest[0], 0, 0)), (), 0, 0)
    if code == "b":
        return Node("bool", rest[0] is True, (), 0, 0)
    if code in ("cmp", "arith", "tx", "call"):
        parts = tuple(_load(r, path, level + 1) for r in rest[1:])
        return Node("search" if code == "tx" else code, rest[0], parts, 0, 0)
    if code in _LEVELS or code == "list":
        return Node(code, None, tuple(_load(r, path, level + 1) for r in rest), 0, 0)
    raise ExpressionError("unexpected", found=code[:40])


def stored(node: Node, uids: Uids, *, object_uid: str, live: bool) -> Mapping[str, Any]:
    """The whole stored value: version, object, tree, the fields it depends on."""
    paths = {n.value: tuple(uids(n.value)) for n in node.walk() if n.kind == "field"}
    return {
        "v": VERSION,
        "object": object_uid,
        "ast": dump(node, uids),
        "deps": sorted(list(p) for p in paths.values()),
        "type": node.type.kind,
        "live": live,
    }
