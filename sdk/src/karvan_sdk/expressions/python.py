"""Trees to closures: the reference meaning of every expression. Numbers travel as units, see `numbers`.

A closure takes the values (by dotted path, in Python form) and the environment. Conditions give True or
False, never None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from karvan_sdk.expressions import numbers, time
from karvan_sdk.expressions.check import NUMERIC, constant
from karvan_sdk.expressions.fold import fold
from karvan_sdk.expressions.letters import BLANKS, lower, upper
from karvan_sdk.expressions.parser import Node
from karvan_sdk.expressions.types import Environment

Closure = Callable[[Mapping[str, Any], Environment], Any]


def close(node: Node) -> Closure:
    """The closure of a checked tree."""
    return _CLOSERS[node.kind](node)


def fixed_value(node: Node, env: Environment) -> Any:
    """The value of a part that reads no field."""
    if node.kind == "num":
        return int(node.value) if node.type.kind not in NUMERIC else numbers.to_units(_decimal(node.value))
    if not node.args and node.kind != "call":
        return constant(node)
    return close(node)({}, env)


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _literal(node: Node) -> Closure:
    value: Any
    if node.kind == "num":
        value = int(node.value) if node.type.kind not in NUMERIC else numbers.to_units(_decimal(node.value))
    elif node.kind == "empty":
        value = False if node.type.kind == "bool" else None
    else:
        value = constant(node)
    return lambda values, env: value


def reader(node: Node) -> Closure:
    """What reads a field in its working form."""
    name, kind = ".".join(node.value), node.type.kind
    if kind in NUMERIC:
        return lambda values, env: None if (v := values.get(name)) is None else numbers.to_units(v)
    if kind == "bool":
        return lambda values, env: values.get(name) is True
    if kind in ("text", "choice"):
        return lambda values, env: values.get(name) or None
    return lambda values, env: values.get(name)


def _and(node: Node) -> Closure:
    parts = [close(a) for a in node.args]

    def test(values: Mapping[str, Any], env: Environment) -> bool:
        return all(p(values, env) for p in parts)

    return test


def _or(node: Node) -> Closure:
    parts = [close(a) for a in node.args]

    def test(values: Mapping[str, Any], env: Environment) -> bool:
        return any(p(values, env) for p in parts)

    return test


def _not(node: Node) -> Closure:
    inner = close(node.args[0])
    return lambda values, env: not inner(values, env)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def _cmp(node: Node) -> Closure:
    left, right = close(node.args[0]), close(node.args[1])
    if node.value == "=":
        return lambda values, env: left(values, env) == right(values, env)
    if node.value == "!=":
        return lambda values, env: left(values, env) != right(values, env)
    compare = _COMPARE[node.value]

    def test(values: Mapping[str, Any], env: Environment) -> bool:
        a, b = left(values, env), right(values, env)
        return a is not None and b is not None and compare(a, b)

    return test


def _in(node: Node) -> Closure:
    item, among = node.args
    left = close(item)
    if among.kind == "list":
        parts = [close(a) for a in among.args]

        def in_list(values: Mapping[str, Any], env: Environment) -> bool:
            a = left(values, env)
            return a is not None and any(p(values, env) == a for p in parts)

        return in_list
    if among.kind == "range":
        low, high = close(among.args[0]), close(among.args[1])

        def in_range(values: Mapping[str, Any], env: Environment) -> bool:
            a, b, c = left(values, env), low(values, env), high(values, env)
            return a is not None and b is not None and c is not None and b <= a <= c

        return in_range
    return _in_period(item, among, left)


def _in_period(item: Node, among: Node, left: Closure) -> Closure:
    name, count, moments = among.value, period_count(among), item.type.kind == "datetime"

    def in_period(values: Mapping[str, Any], env: Environment) -> bool:
        a = left(values, env)
        if a is None:
            return False
        first, behind = period_days(name, count, env)
        if moments:
            a = date.fromordinal(_ordinal(a, env))
        return first is not None and a >= first and (behind is None or a < behind)

    return in_period


def period_count(node: Node) -> int:
    """The n of last_days(n)."""
    return int(node.args[0].value) if node.args else 0


@lru_cache(maxsize=256)
def _period(name: str, count: int, now: datetime, zone: str, week: int) -> tuple[date | None, date | None]:
    return time.period(name, count, time.local_date(now, zone), week)


def period_days(name: str, count: int, env: Environment) -> tuple[date | None, date | None]:
    """The first day of a period and the first behind it, as `time.period` has them."""
    return _period(name, count, env.now, env.timezone, env.week_start)


def _ordinal(moment: datetime, env: Environment) -> int:
    return time.zone(env.timezone).ordinal(time.microseconds(moment))


_SEARCH: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda a, b: b in a, "starts_with": str.startswith, "ends_with": str.endswith,
}  # fmt: skip


def _search(node: Node) -> Closure:
    left, right, search = close(node.args[0]), close(node.args[1]), _SEARCH[node.value]

    def test(values: Mapping[str, Any], env: Environment) -> bool:
        a, b = left(values, env), right(values, env)
        return a is not None and b is not None and search(fold(a), fold(b))

    return test


def _isempty(node: Node) -> Closure:
    arg = node.args[0]
    if arg.kind == "field" and arg.type.kind == "bool":
        name = ".".join(arg.value)
        return lambda values, env: values.get(name) is None
    inner = close(arg)
    return lambda values, env: inner(values, env) is None


def _strict(apply: Callable[..., Any], *parts: Closure) -> Closure:
    """A function of values that is empty where one of them is."""
    if len(parts) == 1:
        only = parts[0]
        return lambda values, env: None if (a := only(values, env)) is None else apply(a)

    def run(values: Mapping[str, Any], env: Environment) -> Any:
        found = []
        for part in parts:
            value = part(values, env)
            if value is None:
                return None
            found.append(value)
        return apply(*found)

    return run


def _neg(node: Node) -> Closure:
    return _strict(lambda a: -a, close(node.args[0]))


def span_sum(a: int, b: int) -> int | None:
    """The sum of two durations, None where it is too long."""
    return a + b if abs(a + b) <= time.SPAN_MAX else None


_NUMBERS = {"+": numbers.add, "-": numbers.subtract, "*": numbers.multiply, "/": numbers.divide}


def _arith(node: Node) -> Closure:
    a, b = node.args
    left, right = close(a), close(b)
    kinds, minus = (a.type.kind, b.type.kind), node.value == "-"
    sign = -1 if minus else 1
    if kinds[0] in NUMERIC:
        return _strict(_NUMBERS[node.value], left, right)
    if kinds == ("date", "date"):
        return _strict(lambda x, y: (x.toordinal() - y.toordinal()) * numbers.UNIT, left, right)
    if kinds == ("datetime", "datetime"):
        return _strict(lambda x, y: time.microseconds(x) - time.microseconds(y), left, right)
    if kinds == ("duration", "duration"):
        return _strict(lambda x, y: span_sum(x, sign * y), left, right)
    if kinds == ("date", "months"):
        return _strict(lambda x, y: time.add_months(x, sign * y), left, right)
    if kinds[0] == "date":
        return _strict(lambda x, y: time.add_days(x, sign * (y // time.DAY)), left, right)
    return _strict(lambda x, y: time.add_span(x, sign * y), left, right)


def _cat(node: Node) -> Closure:
    parts = [close(a) for a in node.args]
    return lambda values, env: "".join([p(values, env) or "" for p in parts]) or None


def _coalesce(node: Node) -> Closure:
    parts = [close(a) for a in node.args]
    tests = [_isempty(Node("isempty", None, (a,), a.start, a.end)) for a in node.args]
    if node.type.kind == "bool":

        def first(values: Mapping[str, Any], env: Environment) -> Any:
            return next(
                (p(values, env) for p, t in zip(parts, tests, strict=True) if not t(values, env)), False
            )

        return first

    def run(values: Mapping[str, Any], env: Environment) -> Any:
        for part in parts:
            value = part(values, env)
            if value is not None:
                return value
        return None

    return run


# -- functions -------------------------------------------------------------------------------------------


def _call(node: Node) -> Closure:
    return _CALLS[node.value](node)


def _if(node: Node) -> Closure:
    test, a, b = (close(n) for n in node.args)
    return lambda values, env: a(values, env) if test(values, env) else b(values, env)


def _map(apply: Callable[..., Any]) -> Callable[[Node], Closure]:
    return lambda node: _strict(apply, *(close(a) for a in node.args))


def _round(node: Node) -> Closure:
    decimals = int(node.args[1].value) if len(node.args) == 2 else 0
    return _strict(lambda a: numbers.round_to(a, decimals), close(node.args[0]))


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[[Node], Closure]:
    def make(node: Node) -> Closure:
        parts = [close(a) for a in node.args]

        def run(values: Mapping[str, Any], env: Environment) -> Any:
            found = [v for p in parts if (v := p(values, env)) is not None]
            return choose(found) if found else None

        return run

    return make


def left_of(text: str, count: int) -> str | None:
    """The first `count` units of characters."""
    return text[: max(count // numbers.UNIT, 0)] or None


def right_of(text: str, count: int) -> str | None:
    """The last characters."""
    wanted = count // numbers.UNIT
    return (text[-wanted:] if wanted > 0 else "") or None


def mid_of(text: str, start: int, count: int) -> str | None:
    """Characters from a place counted from 1; a place before the text is its beginning."""
    first = max(start // numbers.UNIT, 1) - 1
    return text[first : first + max(count // numbers.UNIT, 0)] or None


def _replace(node: Node) -> Closure:
    old, new = node.args[1].value, node.args[2].value or ""
    if not old:
        return close(node.args[0])
    return _strict(lambda a: a.replace(old, new) or None, close(node.args[0]))


def _text(node: Node) -> Closure:
    kind = node.args[0].type.kind
    inner = close(node.args[0])
    if kind in NUMERIC:
        return _strict(numbers.plain, inner)
    return _strict(date.isoformat, inner) if kind == "date" else inner


def _date(node: Node) -> Closure:
    inner = close(node.args[0])

    def run(values: Mapping[str, Any], env: Environment) -> date | None:
        moment = inner(values, env)
        return None if moment is None else date.fromordinal(_ordinal(moment, env))

    return run


def _old(node: Node) -> Closure:
    read = reader(node.args[0])
    return lambda values, env: read(env.before or {}, env)


def _changed(node: Node) -> Closure:
    name = ".".join(node.args[0].value)
    return lambda values, env: values.get(name) != (env.before or {}).get(name)


_PARTS: dict[str, Callable[[date], int]] = {
    "year": lambda d: d.year, "month": lambda d: d.month, "day": lambda d: d.day,
    "weekday": lambda d: d.isoweekday(), "quarter": lambda d: (d.month + 2) // 3,
}  # fmt: skip


def _part(name: str) -> Callable[[Node], Closure]:
    part = _PARTS[name]
    return _map(lambda d: part(d) * numbers.UNIT)


_CALLS: dict[str, Callable[[Node], Closure]] = {
    "if": _if, "coalesce": _coalesce, "is_empty": _isempty, "abs": _map(abs), "round": _round,
    "floor": _map(numbers.floor), "ceil": _map(numbers.ceil), "min": _extreme(min), "max": _extreme(max),
    "mod": _map(numbers.modulo), "length": _map(lambda t: len(t) * numbers.UNIT), "left": _map(left_of),
    "right": _map(right_of), "mid": _map(mid_of), "trim": _map(lambda t: t.strip(BLANKS) or None),
    "lower": _map(lower), "upper": _map(upper), "replace": _replace, "text": _text,
    "today": lambda node: lambda values, env: time.local_date(env.now, env.timezone),
    "now": lambda node: lambda values, env: env.now, "date": _date, **{name: _part(name) for name in _PARTS},
    "me": lambda node: lambda values, env: env.actor_id, "old": _old, "changed": _changed,
    "is_new": lambda node: lambda values, env: env.before is None,
}  # fmt: skip
_CLOSERS: dict[str, Callable[[Node], Closure]] = {
    "num": _literal, "str": _literal, "bool": _literal, "empty": _literal, "date": _literal,
    "datetime": _literal, "duration": _literal, "field": reader, "and": _and, "or": _or, "not": _not,
    "cmp": _cmp, "in": _in, "search": _search, "isempty": _isempty, "neg": _neg, "arith": _arith,
    "cat": _cat, "coalesce": _coalesce, "call": _call,
}  # fmt: skip
