"""A typed tree as a Python closure, and the moments that an environment fixes."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from karvan_sdk.expressions.fold import fold
from karvan_sdk.expressions.language import FieldInfo, Node, Scope
from karvan_sdk.expressions.parse import Parser


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Who asks, when, and in which zone; `before` is the stored record where a change is judged."""

    now: datetime
    timezone: str = "UTC"
    actor_id: int | None = None
    before: Mapping[str, Any] | None = None

    @property
    def today(self) -> date:
        """The date now in the zone."""
        return self.now.astimezone(ZoneInfo(self.timezone or "UTC")).date()

    def start_of(self, day: date) -> datetime:
        """The first instant of a day in the zone, in UTC."""
        return datetime.combine(day, time(), ZoneInfo(self.timezone or "UTC")).astimezone(UTC)


Closure = Callable[[Mapping[str, Any], Environment], Any]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A compiled condition: `paths` are the fields it reads, `live` that it depends on who asks and when."""

    text: str
    tree: Node
    paths: tuple[tuple[str, ...], ...]
    fields: Mapping[tuple[str, ...], FieldInfo]
    live: bool
    closure: Closure

    def test(self, values: Mapping[str, Any], environment: Environment) -> bool:
        """Whether a record (flat: `stage`, `account.industry`) meets the condition."""
        return bool(self.closure(values, environment))


def compile_condition(text: str, scope: Scope) -> Condition:
    """Parse and type a condition; raises ExpressionError with the place of the fault."""
    parser = Parser(text, scope)
    tree = parser.condition()
    return Condition(
        text=text,
        tree=tree,
        paths=tuple(parser.paths),
        fields=dict(parser.paths),
        live=parser.live,
        closure=_closure(tree),
    )


def period_days(name: str, count: int, today: date) -> tuple[date, date]:
    """The first day of a period and the day behind its last."""
    if name == "last_days":
        return today - timedelta(days=count - 1), today + timedelta(days=1)
    if name == "next_days":
        return today + timedelta(days=1), today + timedelta(days=count + 1)
    which, unit = name.split("_")
    step = {"this": 0, "last": -1, "next": 1}[which]
    if unit == "day":
        first = today + timedelta(days=step)
        return first, first + timedelta(days=1)
    if unit == "week":
        first = today - timedelta(days=today.weekday()) + timedelta(weeks=step)
        return first, first + timedelta(weeks=1)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    index = (today.year * 12 + today.month - 1) // months * months + step * months
    return _month(index), _month(index + months)


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def shifted(value: Any, amount: int, unit: str) -> Any:
    """A date or moment moved; None outside the years 1 to 9999."""
    try:
        if unit in ("month", "quarter", "year"):
            index = value.year * 12 + value.month - 1 + amount * {"month": 1, "quarter": 3, "year": 12}[unit]
            year, month = divmod(index, 12)
            return value.replace(
                year=year, month=month + 1, day=min(value.day, calendar.monthrange(year, month + 1)[1])
            )
        return value + timedelta(**{unit + "s": amount})
    except (OverflowError, ValueError):
        return None


def constant(node: Node, environment: Environment) -> tuple[bool, Any]:
    """(True, value) of a part that reads no field, else (False, None)."""
    if node.kind == "const":
        return True, node.args[0]
    if node.kind == "today":
        return True, environment.today
    if node.kind == "now":
        return True, environment.now
    if node.kind == "me":
        return True, environment.actor_id
    if node.kind == "shift":
        known, value = constant(node.args[0], environment)
        return known, shifted(value, node.args[1], node.args[2]) if known and value is not None else None
    return False, None


def _closure(node: Node) -> Closure:
    args = node.args
    match node.kind:
        case "const":
            return lambda v, e: args[0]
        case "field":
            key = ".".join(args[0].path)
            return lambda v, e: v.get(key)
        case "today" | "now" | "me":
            return lambda v, e: constant(node, e)[1]
        case "shift":
            inner = _closure(args[0])
            return lambda v, e: None if (x := inner(v, e)) is None else shifted(x, args[1], args[2])
        case "date_of":
            moment = _closure(args[0])
            return lambda v, e: (
                None if (x := moment(v, e)) is None else x.astimezone(ZoneInfo(e.timezone or "UTC")).date()
            )
        case "and":
            one, two = _closure(args[0]), _closure(args[1])
            return lambda v, e: bool(one(v, e)) and bool(two(v, e))
        case "or":
            first, second = _closure(args[0]), _closure(args[1])
            return lambda v, e: bool(first(v, e)) or bool(second(v, e))
        case "not":
            negated = _closure(args[0])
            return lambda v, e: not negated(v, e)
        case "empty":
            probed = _closure(args[0])
            return lambda v, e: probed(v, e) is None
        case "in":
            left, items = _closure(args[0]), [_closure(i) for i in args[1]]
            return lambda v, e: (x := left(v, e)) is not None and any(x == i(v, e) for i in items)
        case "part":
            how, whole, piece = args[0], _closure(args[1]), _closure(args[2])
            return lambda v, e: _part(how, whole(v, e), piece(v, e))
        case "during":
            subject, period = _closure(args[0]), args[1].args
            return lambda v, e: _during(subject(v, e), period, e)
        case "cmp":
            return _compare(args[0], _closure(args[1]), _closure(args[2]))
    raise AssertionError(node.kind)


def _part(how: str, whole: str | None, piece: str | None) -> bool:
    if whole is None or piece is None:
        return False
    a, b = fold(whole), fold(piece)
    return b in a if how == "contains" else a.startswith(b) if how == "starts_with" else a.endswith(b)


def _during(value: Any, period: tuple[str, int], environment: Environment) -> bool:
    if value is None:
        return False
    first, behind = period_days(*period, environment.today)
    if isinstance(value, datetime):
        return environment.start_of(first) <= value < environment.start_of(behind)
    return bool(first <= value < behind)


def _compare(sign: str, left: Closure, right: Closure) -> Closure:
    def plain(value: Any) -> Any:
        return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def test(v: Mapping[str, Any], e: Environment) -> bool:
        a, b = plain(left(v, e)), plain(right(v, e))
        if isinstance(a, bool) or isinstance(b, bool):
            a, b = bool(a), bool(b)
        if sign == "=":
            return bool(a == b)
        if sign == "!=":
            return bool(a != b)
        if a is None or b is None:
            return False
        return bool(a < b if sign == "<" else a <= b if sign == "<=" else a > b if sign == ">" else a >= b)

    return test
