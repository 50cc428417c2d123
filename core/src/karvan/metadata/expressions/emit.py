"""What both engines share: the walk of a condition, as a text that is TRUE when it holds or when it does not.

`holds` and `fails` are a pair, so that bare columns stay bare (and indexed) in positive places and only
negative ones pay. Values are pushed to `params` in the order in which their marks appear in the text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Protocol

from karvan.metadata.expressions.measure import (
    INT64,
    aligned,
    check_span,
    measure,
    refuse,
)
from karvan.metadata.textkeys import YO_MARK, sort_key
from karvan_sdk.expressions import Environment, ExpressionError, Node, fixed_value, period_count, period_days
from karvan_sdk.expressions.time import EPOCH, FIRST, LAST, LAST_DAY, day_start

NUMERIC = frozenset({"number", "money"})
PARTS_MAX = 3000
MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
ALWAYS, NEVER = "1 = 1", "1 = 0"
UNIT_SCALE = 12
BEFORE_ALL, BEHIND_ALL = -1, 1
Edge = datetime | int
"""The first instant of a day: a moment, or -1 and 1 where it lies outside the calendar."""


class Columns(Protocol):
    """Where fields stand in the statement: the quoted SQL of a field, and of its stored key if it has one."""

    def column(self, path: tuple[str, ...]) -> str: ...
    def key(self, path: tuple[str, ...]) -> str | None: ...


def edge_of(day: date | None, zone: str) -> Edge:
    """The first instant of a day; None is the day behind the last."""
    if day is None:
        return BEHIND_ALL
    at = day_start(day, zone)
    if at is None:
        return BEFORE_ALL
    try:
        return EPOCH + timedelta(microseconds=at)
    except OverflowError:
        return BEFORE_ALL if at < 0 else BEHIND_ALL


def next_day(day: date) -> date | None:
    """The day behind, None behind the last."""
    ordinal = day.toordinal() + 1
    return date.fromordinal(ordinal) if ordinal <= LAST_DAY else None


def successor(text: str) -> str | None:
    """The least text behind all that begin with `text`."""
    kept = text.rstrip("\U0010ffff")
    if not kept:
        return None
    code = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if code == 0xD800 else code)


class Emitter(ABC):
    """One condition on its way to text. The engines differ in the abstract methods and in the constants."""

    same: ClassVar[str]
    differs: ClassVar[str]
    not_true: ClassVar[str]
    yes: ClassVar[str]
    no: ClassVar[str]

    def __init__(self, columns: Columns, environment: Environment) -> None:
        self.columns = columns
        self.environment = environment
        self.params: list[Any] = []
        self.parts = 0

    # -- the engines' own ------------------------------------------------------------------------------

    @abstractmethod
    def bind(self, value: Any, kind: str) -> str:
        """Push a value of this kind of type and give its mark."""

    @abstractmethod
    def null(self, kind: str) -> str:
        """An empty value of this kind of type."""

    @abstractmethod
    def number(self, node: Node, scale: int) -> str:
        """A number, as the engine holds one of this scale."""

    @abstractmethod
    def number_bound(self, node: Node, scaled: int, scale: int) -> str:
        """Push a constant that a number of this scale is compared with."""

    @abstractmethod
    def compare_wide(self, sign: str, left: Node, right: Node) -> str:
        """Two numbers of different scales that may not fit once they share one."""

    @abstractmethod
    def find(self, text: str, mark: str) -> str:
        """Where `mark` begins in `text`, 0 where it does not occur."""

    @abstractmethod
    def tail(self, text: str, size: int) -> str:
        """The last characters."""

    @abstractmethod
    def strip(self, text: str) -> str:
        """Without blanks at both ends."""

    @abstractmethod
    def date_text(self, text: str) -> str:
        """A date as ISO text."""

    @abstractmethod
    def add_days(self, text: str, count: int) -> str:
        """A date moved by days; the result is known to be in the calendar."""

    @abstractmethod
    def add_months(self, make: Callable[[], str], count: int) -> str:
        """A date moved by months; the result is known to be in the calendar."""

    @abstractmethod
    def add_span(self, make: Callable[[], str], span: int) -> str:
        """A moment moved by microseconds; the result is known to be in the calendar."""

    @abstractmethod
    def microseconds(self, make: Callable[[], str]) -> str:
        """A moment as microseconds since 1970."""

    @abstractmethod
    def extreme(self, name: str, texts: list[str]) -> str:
        """The least or greatest that is not empty."""

    # -- conditions ------------------------------------------------------------------------------------

    def holds(self, node: Node) -> str:
        """TRUE exactly where the node holds."""
        self.spend(node)
        if node.fixed:
            return ALWAYS if fixed_value(node, self.environment) else NEVER
        kind, args = node.kind, node.args
        if kind == "cmp":
            return self.compare(node.value, args[0], args[1])
        if kind == "and" or kind == "or":
            return "(" + f" {kind.upper()} ".join([self.holds(a) for a in args]) + ")"
        if kind == "in":
            return self.member(args[0], args[1])
        if kind == "not":
            return self.fails(args[0])
        if kind == "search":
            return self.search(node)
        if kind == "isempty" or (kind == "call" and node.value == "is_empty"):
            return self.emptiness(args[0], "IS NULL")
        if kind == "field":
            return self.truth(self.column(node))
        if kind == "call" and node.value == "if":
            return self.truth(self.choose(node, self.flag))
        raise refuse(node, f"{node.value}()" if kind == "call" else "This part")

    def fails(self, node: Node) -> str:
        """TRUE exactly where the node does not hold."""
        self.spend(node)
        if node.fixed:
            return NEVER if fixed_value(node, self.environment) else ALWAYS
        kind, args = node.kind, node.args
        if kind == "not":
            return self.holds(args[0])
        if kind == "and" or kind == "or":
            other = " OR " if kind == "and" else " AND "
            return "(" + other.join([self.fails(a) for a in args]) + ")"
        if kind == "isempty" or (kind == "call" and node.value == "is_empty"):
            return self.emptiness(args[0], "IS NOT NULL")
        if kind == "cmp" and node.value in ("=", "!="):
            return self.compare("!=" if node.value == "=" else "=", args[0], args[1])
        return f"({self.holds(node)}) {self.not_true}"

    def spend(self, node: Node) -> None:
        """Parts of some values are written twice; what would grow too much is refused."""
        self.parts += 1
        if self.parts > PARTS_MAX:
            raise ExpressionError("too_big", node.start, node.end, limit=PARTS_MAX)

    def truth(self, flag: str) -> str:
        """A yes/no value as a condition."""
        return f"{flag} = 1"

    def flag(self, node: Node) -> str:
        """A condition as a yes/no value that is never empty."""
        return f"CASE WHEN {self.holds(node)} THEN {self.yes} ELSE {self.no} END"

    def emptiness(self, node: Node, test: str) -> str:
        if node.fixed:
            empty = fixed_value(node, self.environment) is None
            return ALWAYS if empty == (test == "IS NULL") else NEVER
        if node.type.kind == "bool" and node.kind != "field":
            return NEVER if test == "IS NULL" else ALWAYS
        if node.kind == "call" and node.value == "date":
            return self.emptiness(node.args[0], test)
        text = self.column(node) if node.kind == "field" else f"({self.result(node)})"
        return f"{text} {test}"

    def compare(self, sign: str, left: Node, right: Node) -> str:
        if left.fixed:
            if right.fixed:
                node = Node("cmp", sign, (left, right), left.start, right.end)
                return ALWAYS if fixed_value(node, self.environment) else NEVER
            return self.compare(MIRROR[sign], right, left)
        if right.fixed:
            return self.against(sign, left, fixed_value(right, self.environment))
        kind = left.type.kind
        if kind == "bool":
            return f"{self.flag(left)} {sign} {self.flag(right)}"
        if kind in NUMERIC:
            one, two = measure(left, self.environment), measure(right, self.environment)
            scale, bound = aligned(one, two)
            if bound > INT64:
                return self.compare_wide(sign, left, right)
            return f"{self.number(left, scale)} {self.sign(sign)} {self.number(right, scale)}"
        return f"{self.value(left)} {self.sign(sign)} {self.value(right)}"

    def sign(self, sign: str) -> str:
        return self.same if sign == "=" else self.differs if sign == "!=" else sign

    def against(self, sign: str, left: Node, constant: Any) -> str:
        """A value against a constant: columns stay bare, the constant moves."""
        kind = left.type.kind
        if kind == "bool":
            return self.holds(left) if bool(constant) == (sign == "=") else self.fails(left)
        if constant is None:
            if sign == "=" or sign == "!=":
                return self.emptiness(left, "IS NULL" if sign == "=" else "IS NOT NULL")
            return NEVER
        if kind in NUMERIC:
            return self.against_number(sign, left, constant)
        if left.kind == "call" and left.value == "date":
            return self.on_day(sign, left.args[0], constant)
        return f"{self.value(left)} {self.differs if sign == '!=' else sign} {self.bind(constant, kind)}"

    def against_number(self, sign: str, left: Node, units: int) -> str:
        scale = measure(left, self.environment)[0]
        scaled, rest = divmod(units, 10 ** (UNIT_SCALE - scale))
        if rest:  # between two values: x > 1.5 on whole numbers is x > 1, x < 1.5 is x <= 1
            if sign == "=" or sign == "!=":
                return NEVER if sign == "=" else ALWAYS
            sign = "<=" if sign in ("<", "<=") else ">"
        if abs(scaled) > INT64:
            if sign == "=" or sign == "!=":
                return NEVER if sign == "=" else ALWAYS
            inside = (sign in ("<", "<=")) == (scaled > 0)
            return self.emptiness(left, "IS NOT NULL") if inside else NEVER
        text = self.number(left, scale) if left.kind != "field" else self.column(left)
        mark = self.number_bound(left, scaled, scale)
        return f"{text} {self.differs if sign == '!=' else sign} {mark}"

    # -- days ------------------------------------------------------------------------------------------

    def on_day(self, sign: str, moment: Node, day: date) -> str:
        """date(moment) against a day: bounds on the moment itself."""
        zone = self.environment.timezone
        start, behind = edge_of(day, zone), edge_of(next_day(day), zone)
        if sign == "=":
            return self.between_edges(moment, start, behind)
        if sign == "!=":
            return f"({self.between_edges(moment, start, behind)}) {self.not_true}"
        if sign in (">=", ">"):
            return self.from_edge(moment, start if sign == ">=" else behind)
        return self.before_edge(moment, start if sign == "<" else behind)

    def between_edges(self, moment: Node, start: Edge, behind: Edge) -> str:
        return f"({self.from_edge(moment, start)} AND {self.before_edge(moment, behind)})"

    def from_edge(self, moment: Node, edge: Edge) -> str:
        if isinstance(edge, int):
            return self.emptiness(moment, "IS NOT NULL") if edge == BEFORE_ALL else NEVER
        return f"{self.value(moment)} >= {self.bind(edge, 'datetime')}"

    def before_edge(self, moment: Node, edge: Edge) -> str:
        if isinstance(edge, int):
            return self.emptiness(moment, "IS NOT NULL") if edge == BEHIND_ALL else NEVER
        return f"{self.value(moment)} < {self.bind(edge, 'datetime')}"

    def during(self, subject: Node, period: Node) -> str:
        first, behind = period_days(period.value, period_count(period), self.environment)
        if first is None:
            return NEVER
        zone = self.environment.timezone
        if subject.kind == "call" and subject.value == "date":
            subject = subject.args[0]
        if subject.type.kind == "datetime":
            return self.between_edges(subject, edge_of(first, zone), edge_of(behind, zone))
        low = f"{self.value(subject)} >= {self.bind(first, 'date')}"
        if behind is None:
            return low
        return f"({low} AND {self.value(subject)} < {self.bind(behind, 'date')})"

    # -- lists and search ------------------------------------------------------------------------------

    def member(self, left: Node, among: Node) -> str:
        if among.kind == "call":
            return self.during(left, among)
        if among.kind == "range":
            return (
                f"({self.compare('>=', left, among.args[0])} AND {self.compare('<=', left, among.args[1])})"
            )
        plain = left.type.kind not in NUMERIC and left.type.kind != "bool" and left.kind == "field"
        if plain and among.fixed:
            values = [v for a in among.args if (v := fixed_value(a, self.environment)) is not None]
            if not values:
                return NEVER
            text = self.column(left)
            return f"{text} IN ({', '.join([self.bind(v, left.type.kind) for v in values])})"
        tests = [self.equals_filled(left, item) for item in among.args]
        return "(" + " OR ".join(tests) + ")"

    def equals_filled(self, left: Node, item: Node) -> str:
        """Equal and not empty."""
        if item.fixed and fixed_value(item, self.environment) is None:
            return NEVER
        text = self.compare("=", left, item)
        if left.type.kind == "bool" or left.fixed or item.fixed:
            if left.fixed and fixed_value(left, self.environment) is None:
                return NEVER
            return text
        return f"({text} AND {self.emptiness(left, 'IS NOT NULL')})"

    def search(self, node: Node) -> str:
        """Folded search on the stored key; ё is found by е, so its mark is looked past."""
        how, (whole, piece) = node.value, node.args
        key = self.columns.key(whole.value) if whole.kind == "field" else None
        if key is None or not piece.fixed:
            raise refuse(node, f"“{how}” with computed texts")
        value = fixed_value(piece, self.environment)
        if value is None:
            return NEVER
        needle = sort_key(value).replace(YO_MARK, "")
        if not needle:
            return f"{key} IS NOT NULL"
        text, ranged = key, True
        if "е" in needle:
            text, ranged = f"replace({key}, '{YO_MARK}', '')", False
        if how == "contains":
            return f"{self.find(text, self.bind(needle, 'text'))} > 0"
        if how == "ends_with":
            return f"{self.tail(text, len(needle))} = {self.bind(needle, 'text')}"
        if not ranged:
            return f"substr({text}, 1, {len(needle)}) = {self.bind(needle, 'text')}"
        low = f"{text} >= {self.bind(needle, 'text')}"
        behind = successor(needle)
        return low if behind is None else f"({low} AND {text} < {self.bind(behind, 'text')})"

    # -- values ----------------------------------------------------------------------------------------

    def column(self, node: Node) -> str:
        return self.columns.column(node.value)

    def result(self, node: Node) -> str:
        """Any value, numbers with their own scale."""
        if node.type.kind in NUMERIC:
            return self.number(node, measure(node, self.environment)[0])
        return self.flag(node) if node.type.kind == "bool" else self.value(node)

    def value(self, node: Node) -> str:
        """A value that is neither a number nor yes/no."""
        if node.kind == "field":
            return self.column(node)
        self.spend(node)
        kind = node.type.kind
        if node.fixed:
            value = fixed_value(node, self.environment)
            return self.null(kind) if value is None else self.bind(value, kind)
        if node.kind == "cat":
            return (
                f"nullif({' || '.join([f'coalesce({self.value(a)}, {self.blank})' for a in node.args])}, '')"
            )
        if node.kind == "coalesce":
            return f"coalesce({', '.join([self.value(a) for a in node.args])})"
        if node.kind == "arith":
            return self.moved(node)
        if node.kind == "call":
            made = _VALUES.get(node.value)
            if made:
                return made(self, node)
            if node.value in ("left", "right", "mid"):
                return self.cut(node)
        raise refuse(node, f"{node.value}()" if node.kind == "call" else "This part")

    blank: ClassVar[str] = "''"

    def choose(self, node: Node, make: Callable[[Node], str]) -> str:
        condition, a, b = node.args
        return f"CASE WHEN {self.holds(condition)} THEN {make(a)} ELSE {make(b)} END"

    def text_call(self, node: Node) -> str:
        arg = node.args[0]
        if arg.type.kind in NUMERIC:
            raise refuse(node, "text() of a number")
        return self.date_text(self.value(arg)) if arg.type.kind == "date" else self.value(arg)

    def replaced(self, node: Node) -> str:
        old, new = node.args[1].value, node.args[2].value or ""
        if not old:
            return self.value(node.args[0])
        text = self.value(node.args[0])
        return f"nullif(replace({text}, {self.bind(old, 'text')}, {self.bind(new, 'text')}), '')"

    def cut(self, node: Node) -> str:
        if not all(a.fixed for a in node.args[1:]):
            raise refuse(node, f"{node.value}() with a computed number")
        numbers = [fixed_value(a, self.environment) for a in node.args[1:]]
        if None in numbers:
            return self.null("text")
        counts = [min(max(n // 10**UNIT_SCALE, 0), 10**9) for n in numbers]
        if not counts[-1]:
            return self.null("text")
        text = self.value(node.args[0])
        if node.value == "right":
            return self.tail(text, counts[0])
        start = 1 if node.value == "left" else max(counts[0], 1)
        return f"nullif(substr({text}, {start}, {counts[-1]}), '')"

    def moved(self, node: Node) -> str:
        """Dates and moments with durations, and what lies between two moments."""
        a, b = node.args
        kinds = (a.type.kind, b.type.kind)
        if kinds == ("datetime", "datetime"):
            return (
                f"({self.microseconds(lambda: self.value(a))} - {self.microseconds(lambda: self.value(b))})"
            )
        if kinds == ("duration", "duration"):
            check_span(node, self.environment)
            return f"({self.value(a)} {node.value} {self.value(b)})"
        amount = fixed_value(b, self.environment)
        if amount is None:
            return self.null(a.type.kind)
        amount = -amount if node.value == "-" else amount
        if kinds[0] == "date":
            return self.moved_date(a, amount, months=kinds[1] == "months")
        low, high = FIRST, LAST
        try:
            if amount > 0:
                high = LAST - timedelta(microseconds=amount)
            else:
                low = FIRST - timedelta(microseconds=amount)
        except OverflowError:
            return self.null("datetime")
        return self.guarded(a, low, high, "datetime", lambda: self.add_span(lambda: self.value(a), amount))

    def moved_date(self, a: Node, amount: int, *, months: bool) -> str:
        low, high = date.min, date.max
        if months:
            # whole months: the first and last month from which the way stays in the calendar
            first, last = max(12, 12 - amount), min(119_999, 119_999 - amount)
            if first > last:
                return self.null("date")
            low = date(first // 12, first % 12 + 1, 1)
            high = date.max if last == 119_999 else date((last + 1) // 12, (last + 1) % 12 + 1, 1)
            if last != 119_999:
                high = date.fromordinal(high.toordinal() - 1)
            return self.guarded(a, low, high, "date", lambda: self.add_months(lambda: self.value(a), amount))
        days = amount // 86_400_000_000
        first, last = max(1, 1 - days), min(LAST_DAY, LAST_DAY - days)
        if first > last:
            return self.null("date")
        low, high = date.fromordinal(first), date.fromordinal(last)
        return self.guarded(a, low, high, "date", lambda: self.add_days(self.value(a), days))

    def guarded(self, node: Node, low: Any, high: Any, kind: str, make: Callable[[], str]) -> str:
        test = f"{self.value(node)} BETWEEN {self.bind(low, kind)} AND {self.bind(high, kind)}"
        return f"CASE WHEN {test} THEN {make()} END"


_VALUES: dict[str, Callable[[Emitter, Node], str]] = {
    "if": lambda emitter, node: emitter.choose(node, emitter.value),
    "coalesce": lambda emitter, node: f"coalesce({', '.join([emitter.value(a) for a in node.args])})",
    "min": lambda emitter, node: emitter.extreme("min", [emitter.value(a) for a in node.args]),
    "max": lambda emitter, node: emitter.extreme("max", [emitter.value(a) for a in node.args]),
    "trim": lambda emitter, node: emitter.strip(emitter.value(node.args[0])),
    "replace": Emitter.replaced,
    "text": Emitter.text_call,
}
