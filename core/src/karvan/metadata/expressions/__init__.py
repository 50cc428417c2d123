"""Conditions as SQL text with bound values, for both engines: TRUE exactly where the condition holds.

Every node has two texts, one TRUE when it holds and one TRUE when it does not, so that bare columns stay
bare (and indexed) in positive places.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Protocol

from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Dialect, moment_text
from karvan.metadata.textkeys import YO_MARK, sort_key
from karvan_sdk.errors import BadInput
from karvan_sdk.expressions import Condition, Environment, FieldInfo, Node, constant, period_days

__all__ = ["Columns", "Fragment", "compile_sql"]
INT64 = 2**63 - 1
MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
OPPOSITE = {"=": "!=", "!=": "="}


class Columns(Protocol):
    """Where fields stand in the statement: the quoted SQL of a field, and of its stored key if it has one."""

    def column(self, path: tuple[str, ...]) -> str: ...
    def key(self, path: tuple[str, ...]) -> str | None: ...


def compile_sql(
    condition: Condition, dialect: Dialect, columns: Columns, environment: Environment
) -> Fragment:
    """The condition as a text for WHERE."""
    emitter = _Emitter(dialect, columns, environment)
    text = emitter.holds(condition.tree)
    return Fragment(text=text, params=tuple(emitter.params))


class _Emitter:
    def __init__(self, dialect: Dialect, columns: Columns, environment: Environment) -> None:
        self.dialect, self.columns, self.environment = dialect, columns, environment
        self.params: list[Any] = []

    # -- conditions ------------------------------------------------------------------------------------

    def holds(self, node: Node) -> str:
        """TRUE exactly where the node holds."""
        args = node.args
        match node.kind:
            case "and" | "or":
                return f"({self.holds(args[0])} {node.kind.upper()} {self.holds(args[1])})"
            case "not":
                return self.fails(args[0])
            case "const":
                return "1 = 1" if args[0] else "1 = 0"
            case "field":
                return self.column(args[0]) if self.dialect == "postgresql" else f"{self.column(args[0])} = 1"
            case "empty":
                return self.emptiness(args[0], "IS NULL")
            case "cmp":
                return self.compare(args[0], args[1], args[2])
            case "in":
                return "(" + " OR ".join(self.compare("=", args[0], i, items=True) for i in args[1]) + ")"
            case "part":
                return self.part(*args)
            case "during":
                return self.during(args[0], args[1].args)
        raise AssertionError(node.kind)

    def fails(self, node: Node) -> str:
        """TRUE exactly where the node does not hold."""
        if node.kind == "not":
            return self.holds(node.args[0])
        if node.kind in ("and", "or"):
            other = "OR" if node.kind == "and" else "AND"
            return f"({self.fails(node.args[0])} {other} {self.fails(node.args[1])})"
        if node.kind == "empty":
            return self.emptiness(node.args[0], "IS NOT NULL")
        if node.kind == "cmp" and node.args[0] in OPPOSITE:
            return self.compare(OPPOSITE[node.args[0]], node.args[1], node.args[2])
        return f"({self.holds(node)}) IS NOT {'TRUE' if self.dialect == 'postgresql' else '1'}"

    def emptiness(self, node: Node, test: str) -> str:
        known, value = constant(node, self.environment)
        if known:
            return "1 = 1" if (value is None) == (test == "IS NULL") else "1 = 0"
        return f"{self.value(node)} {test}"

    def compare(self, sign: str, left: Node, right: Node, *, items: bool = False) -> str:
        known_left, a = constant(left, self.environment)
        known_right, b = constant(right, self.environment)
        if known_left and known_right:
            return "1 = 1" if _compare_constants(sign, a, b) else "1 = 0"
        if known_left:
            return self.compare(MIRROR[sign], right, left)
        if known_right:
            return self.against(sign, left, b, items=items)
        one, two = self.value(left), self.value(right)
        if left.type == "bool":
            one, two = f"coalesce({one}, {self.no})", f"coalesce({two}, {self.no})"
        if left.type == "number":
            one, two = self.common_scale(left, right)
        if sign in ("=", "!="):
            distinct = "IS" if sign == "=" else "IS NOT"
            if self.dialect == "postgresql":
                distinct = "IS NOT DISTINCT FROM" if sign == "=" else "IS DISTINCT FROM"
            return f"{one} {distinct} {two}"
        return f"{one} {sign} {two}"

    @property
    def no(self) -> str:
        return "FALSE" if self.dialect == "postgresql" else "0"

    def common_scale(self, left: Node, right: Node) -> tuple[str, str]:
        """Two numeric columns; on SQLite they are scaled integers that must meet in one scale."""
        one, two = self.value(left), self.value(right)
        if self.dialect == "postgresql":
            return one, two
        a, b = _scale(left), _scale(right)
        return (f"{one} * {10 ** (b - a)}" if b > a else one), (f"{two} * {10 ** (a - b)}" if a > b else two)

    def against(self, sign: str, left: Node, constant_: Any, *, items: bool = False) -> str:
        """A field against a value: the column stays bare, the value moves."""
        if constant_ is None:
            if sign in ("=", "!=") and not items:
                return f"{self.value(left)} IS {'' if sign == '=' else 'NOT '}NULL"
            return "1 = 0"
        if left.kind == "date_of":
            return self.date_of(sign, left.args[0], constant_)
        if left.type == "bool":
            if sign not in ("=", "!="):
                raise BadInput("Yes and no have no order.", field="filter")
            wanted = constant_ if sign == "=" else not constant_
            return self.holds(left) if wanted else self.fails(left)
        if left.type == "number":
            return self.number(sign, left, constant_)
        text = self.value(left)
        self.params.append(self.bound(constant_))
        mark = self.mark(constant_)
        if sign == "!=":
            return f"{text} IS NOT {mark}" if self.dialect == "sqlite" else f"{text} IS DISTINCT FROM {mark}"
        return f"{text} {sign} {mark}"

    def number(self, sign: str, left: Node, value: Decimal | int) -> str:
        scaled = Decimal(value).scaleb(_scale(left))
        exact = scaled == scaled.to_integral_value()
        if sign in ("=", "!=") and not exact:
            return "1 = 0" if sign == "=" else "1 = 1"
        if not exact:  # x > 1.5 on whole numbers is x > 1, x < 1.5 is x < 2
            scaled = scaled.to_integral_value(ROUND_FLOOR if sign in (">", "<=") else ROUND_CEILING)
        if abs(scaled) > INT64:
            always = (sign in ("<", "<=")) == (scaled > 0)
            if sign in ("=", "!="):
                return "1 = 0" if sign == "=" else "1 = 1"
            return f"{self.value(left)} IS NOT NULL" if always else "1 = 0"
        whole = int(scaled)
        bound: Any = (
            whole if self.dialect == "sqlite" or not _scale(left) else Decimal(whole).scaleb(-_scale(left))
        )
        text = self.value(left)
        self.params.append(bound)
        mark = "?::numeric" if isinstance(bound, Decimal) else self.mark(bound)
        if sign == "!=":
            return f"{text} IS NOT {mark}" if self.dialect == "sqlite" else f"{text} IS DISTINCT FROM {mark}"
        return f"{text} {sign} {mark}"

    def date_of(self, sign: str, moment: Node, day: date) -> str:
        start, behind = self.environment.start_of(day), self.environment.start_of(_next(day))
        if sign in ("=", "!="):
            inside = f"({self.against('>=', moment, start)} AND {self.against('<', moment, behind)})"
            return (
                inside
                if sign == "="
                else f"{inside} IS NOT {'TRUE' if self.dialect == 'postgresql' else '1'}"
            )
        edge = {"<": ("<", start), ">=": (">=", start), ">": (">=", behind), "<=": ("<", behind)}[sign]
        return self.against(edge[0], moment, edge[1])

    def during(self, subject: Node, period: tuple[str, int]) -> str:
        first, behind = period_days(*period, self.environment.today)
        low: Any = first
        high: Any = behind
        if subject.type == "datetime":
            low, high = self.environment.start_of(first), self.environment.start_of(behind)
        return f"({self.against('>=', subject, low)} AND {self.against('<', subject, high)})"

    def part(self, how: str, whole: Node, piece: Node) -> str:
        known, value = constant(piece, self.environment)
        if whole.kind != "field" or not known:
            raise BadInput(f"'{how}' takes a field and a text.", field="filter")
        needle = sort_key(value or "").replace(YO_MARK, "")
        key = self.columns.key(whole.args[0].path)
        if key is None:
            raise BadInput(f"'{how}' needs a text that people write.", field="filter")
        text: str = key
        ranged = True
        if "е" in needle:  # ё is found by е: its mark, which stands for the order only, is looked past
            text, ranged = f"replace({text}, '{YO_MARK}', '')", False
        if value is None:
            return "1 = 0"
        if how == "contains":
            find = "instr" if self.dialect == "sqlite" else "strpos"
            self.params.append(needle)
            return f"{find}({text}, {self.mark(needle)}) > 0"
        if how == "starts_with" and ranged:
            self.params.append(needle)
            low = f"{text} >= {self.mark(needle)}"
            behind = _successor(needle)
            if behind is None:
                return low
            self.params.append(behind)
            return f"({low} AND {text} < {self.mark(behind)})"
        size = len(needle)
        self.params.append(needle)
        if how == "starts_with":
            return f"substr({text}, 1, {size}) = {self.mark(needle)}"
        if not size:
            return f"({text} = {self.mark(needle)} OR {text} IS NOT NULL)"
        cut = f"substr({text}, -{size})" if self.dialect == "sqlite" else f"right({text}, {size})"
        return f"{cut} = {self.mark(needle)}"

    # -- values ----------------------------------------------------------------------------------------

    def value(self, node: Node) -> str:
        if node.kind == "field":
            return self.column(node.args[0])
        if node.kind == "date_of":
            raise BadInput("date(…) is compared with a fixed date or today() in a filter.", field="filter")
        known, value = constant(node, self.environment)
        assert known, node.kind
        self.params.append(self.bound(value))
        return self.mark(value)

    def column(self, info: FieldInfo) -> str:
        return self.columns.column(info.path)

    def bound(self, value: Any) -> Any:
        if self.dialect == "postgresql":
            return value
        if isinstance(value, datetime):
            return moment_text(value)
        return value.isoformat() if isinstance(value, date) else value

    def mark(self, value: Any) -> str:
        if self.dialect == "sqlite":
            return "?"
        if isinstance(value, datetime):
            return "?::timestamptz"
        if isinstance(value, date):
            return "?::date"
        return '?::text COLLATE "C"' if isinstance(value, str) else "?::bigint"


def _scale(node: Node) -> int:
    return node.args[0].scale if node.kind == "field" else 0


def _next(day: date) -> date:
    return date.fromordinal(min(day.toordinal() + 1, date.max.toordinal()))


def _successor(text: str) -> str | None:
    """The least text behind all that begin with `text`."""
    for at in range(len(text) - 1, -1, -1):
        code = ord(text[at]) + 1
        if code == 0xD800:
            code = 0xE000
        if code <= 0x10FFFF:
            return text[:at] + chr(code)
    return None


def _compare_constants(sign: str, a: Any, b: Any) -> bool:
    if sign in ("=", "!="):
        return bool((a == b) == (sign == "="))
    if a is None or b is None:
        return False
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])
