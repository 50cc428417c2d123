"""The typer: gives every part its type, checks fields, choices and functions; nothing is coerced silently."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from karvan_sdk.expressions.errors import ExpressionError
from karvan_sdk.expressions.functions import FUNCTIONS
from karvan_sdk.expressions.parser import LIST_MAX, PERIODS, Node
from karvan_sdk.expressions.time import SPAN_MAX, UNIT_MICROSECONDS, UNIT_MONTHS
from karvan_sdk.expressions.types import (
    BOOL,
    COUNT,
    DATE,
    DATETIME,
    DIGITS_MAX,
    DURATION,
    EMPTY,
    LABELS,
    MONTHS,
    SCALE_MAX,
    TEXT,
    USER,
    Context,
    FieldInfo,
    Scope,
    Type,
    field_type,
)

NUMERIC = frozenset({"number", "money"})
TEXT_MAX = 1_000_000
ORDERED = frozenset({"number", "money", "text", "date", "datetime", "duration"})


class Checker:
    """One pass over one tree. Afterwards it knows the paths, and whether the clock or the actor is read."""

    def __init__(self, scope: Scope, context: Context) -> None:
        self.scope = scope
        self.context = context
        self.paths: dict[tuple[str, ...], FieldInfo] = {}
        self.live = False
        self.before = False

    def check(self, node: Node) -> Type:
        """The type of a part, which is written into it."""
        found: Type = _RULES[node.kind](self, node)
        node.type = found
        if node.kind not in ("field", "call"):
            for arg in node.args:
                if not arg.fixed:
                    node.fixed = False
                    break
        return found

    # -- leaves ----------------------------------------------------------------------------------------

    def field(self, node: Node) -> Type:
        path = node.value
        node.fixed = False
        if len(path) > self.context.steps:
            raise ExpressionError("path", node.start, node.end, limit=self.context.steps)
        info = self.paths.get(path)
        if info is None:
            info = self.scope.field(path)
            if info is None:
                raise _unknown("unknown_field", node, ".".join(path), self.scope.names())
            self.paths[path] = info
        found = field_type(info)
        if found is None:
            raise ExpressionError(
                "type", node.start, node.end, wanted="a usable field", found=f"a {info.type} field"
            )
        return found

    def number(self, node: Node) -> Type:
        whole, _, rest = node.value.partition(".")
        return Type("number", len(whole), len(rest))

    def money(self, node: Node) -> Type:
        raise ExpressionError("money", node.start, node.end)

    def duration(self, node: Node) -> Type:
        return DURATION if node.value[1] in UNIT_MICROSECONDS else MONTHS

    # -- conditions ------------------------------------------------------------------------------------

    def logic(self, node: Node) -> Type:
        for arg in node.args:
            self.condition(arg)
        return BOOL

    def condition(self, node: Node) -> None:
        found = self.check(node)
        if found.kind == "empty":
            node.type = BOOL
        elif found.kind != "bool":
            raise ExpressionError("not_condition", node.start, node.end, found=LABELS[found.kind])

    def compare(self, node: Node) -> Type:
        left, right = node.args
        self.plain(left)
        self.plain(right)
        self.meet(left, right)
        if node.value not in ("=", "!="):
            self.need_order(left)
        return BOOL

    def plain(self, node: Node) -> Type:
        """The type of a single value; lists, ranges and periods are not."""
        if node.kind == "list":
            raise ExpressionError("list", node.start, node.end, limit=LIST_MAX)
        if node.kind == "range" or (node.kind == "call" and node.value in PERIODS):
            raise ExpressionError("multi", node.start, node.end)
        return self.check(node)

    def need_order(self, node: Node) -> None:
        if node.type.kind not in ORDERED and node.type.kind != "empty":
            raise ExpressionError("order", node.start, node.end, found=LABELS[node.type.kind])

    def member(self, node: Node) -> Type:
        left, right = node.args
        self.plain(left)
        right.type = EMPTY
        if right.kind == "list":
            for value in right.args:
                self.plain(value)
                self.meet(left, value)
        elif right.kind == "range":
            for value in right.args:
                self.plain(value)
                self.meet(left, value)
            self.need_order(left)
        else:
            self.live = True
            self.arity(right)
            if not self.context.live:
                raise ExpressionError("context", right.start, right.end, name=f"{right.value}()")
            if left.type.kind not in ("date", "datetime"):
                raise _wrong("a date or a moment", left)
            for arg in right.args:
                self.whole_constant(arg)
        right.fixed = all(a.fixed for a in right.args)
        return BOOL

    def search(self, node: Node) -> Type:
        for arg in node.args:
            self.text_of(arg)
        return BOOL

    def empty_test(self, node: Node) -> Type:
        self.plain(node.args[0])
        return BOOL

    def stray(self, node: Node) -> Type:
        raise ExpressionError(
            "list" if node.kind == "list" else "multi", node.start, node.end, limit=LIST_MAX
        )

    # -- agreement -------------------------------------------------------------------------------------

    def meet(self, a: Node, b: Node) -> Type:
        """Make two sides one type, where a literal can take the other's; raises mismatch."""
        found = self.join(a, b) or self.join(b, a)
        if found is None:
            kinds = {a.type.kind, b.type.kind}
            hint = "use_date" if kinds == {"date", "datetime"} else ""
            if kinds == {"choice", "text"}:
                hint = "use_text"
            raise ExpressionError(
                "mismatch", b.start, b.end, hint=hint, left=LABELS[a.type.kind], right=LABELS[b.type.kind]
            )
        return found

    def join(self, a: Node, b: Node) -> Type | None:
        left, right = a.type, b.type
        if right.kind == "empty":
            give(b, left)
            return left
        if left.kind == right.kind:
            if left.kind in NUMERIC:
                return Type(left.kind, max(left.digits, right.digits), max(left.scale, right.scale))
            if left.kind == "record" and left.target and right.target and left.target != right.target:
                return None
            return left
        if left.kind == "money" and right.kind == "number":
            return Type("money", max(left.digits, right.digits), max(left.scale, right.scale))
        if left.kind == "choice" and b.kind == "str":
            if b.value not in left.options:
                raise _unknown("unknown_option", b, b.value, left.options)
            b.type = left
            return left
        if left.kind in ("record", "user") and b.kind == "num" and "." not in b.value and len(b.value) <= 18:
            b.type = left
            return left
        return None

    # -- computed values -------------------------------------------------------------------------------

    def negative(self, node: Node) -> Type:
        return self.number_of(node.args[0])

    def number_of(self, node: Node) -> Type:
        found = self.plain(node)
        if found.kind == "empty":
            node.type = found = COUNT
        if found.kind not in NUMERIC:
            raise _wrong("a number", node)
        return found

    def whole(self, node: Node) -> None:
        found = self.number_of(node)
        if found.scale or found.kind != "number":
            raise _wrong("a whole number", node)

    def whole_constant(self, node: Node) -> None:
        self.whole(node)
        if node.kind != "num" or len(node.value) > 6:
            raise ExpressionError("fixed", node.start, node.end, wanted="A whole number")

    def text_of(self, node: Node) -> None:
        found = self.plain(node)
        if found.kind == "empty":
            node.type = TEXT
        elif found.kind != "text":
            hint = "use_text" if found.kind in ("number", "money", "date", "choice") else ""
            raise _wrong("a text", node, hint=hint)

    def date_of(self, node: Node) -> None:
        found = self.plain(node)
        if found.kind == "empty":
            node.type = DATE
        elif found.kind != "date":
            raise _wrong("a date", node, hint="use_date" if found.kind == "datetime" else "")

    def arithmetic(self, node: Node) -> Type:
        a, b = node.args
        left, right = self.plain(a), self.plain(b)
        if left.kind == "empty":
            left = give(a, right if right.kind in NUMERIC else COUNT)
        if right.kind == "empty":
            right = give(b, left if left.kind in NUMERIC else MONTHS if left.kind == "date" else DURATION)
        if left.kind in NUMERIC and right.kind in NUMERIC:
            return self.number_arithmetic(node, left, right)
        found = self.time_arithmetic(node, left, right)
        if found is None:
            hint, params = "", {}
            if left.kind in ("date", "datetime") and b.kind == "num":
                hint, params = "add_duration", {"text": b.value}
            elif left.kind == "datetime" and right.kind == "months":
                hint = "months"
            raise ExpressionError(
                "mismatch", b.start, b.end, hint=hint, hint_params=params,
                left=LABELS[left.kind], right=LABELS[right.kind],
            )  # fmt: skip
        return found

    def number_arithmetic(self, node: Node, left: Type, right: Type) -> Type:
        sign = node.value
        money = "money" in (left.kind, right.kind)
        if sign in ("+", "-"):
            if (
                left.kind != right.kind
                and not (node.args[0] if left.kind == "number" else node.args[1]).fixed
            ):
                raise self.no_join(node, left, right)
            digits, scale = max(left.digits, right.digits) + 1, max(left.scale, right.scale)
        elif sign == "*":
            if left.kind == right.kind == "money":
                raise self.no_join(node, left, right)
            digits, scale = left.digits + right.digits, left.scale + right.scale
        else:
            if right.kind == "money" and left.kind != "money":
                raise self.no_join(node, left, right)
            money = left.kind == "money" and right.kind != "money"
            digits, scale = left.digits + right.scale + 1, SCALE_MAX
        return Type("money" if money else "number", min(digits, DIGITS_MAX), min(scale, SCALE_MAX))

    def no_join(self, node: Node, left: Type, right: Type) -> ExpressionError:
        return ExpressionError(
            "mismatch", node.start, node.end, left=LABELS[left.kind], right=LABELS[right.kind]
        )

    def time_arithmetic(self, node: Node, left: Type, right: Type) -> Type | None:
        sign, b = node.value, node.args[1]
        kinds = (left.kind, right.kind)
        if kinds == ("date", "date") and sign == "-":
            return Type("number", 7, 0)
        if kinds == ("datetime", "datetime") and sign == "-":
            return DURATION
        if sign not in ("+", "-"):
            return None
        if kinds == ("duration", "duration"):
            return DURATION
        if left.kind == "date" and right.kind in ("duration", "months"):
            if b.kind != "empty" and (b.kind != "duration" or b.value[1] in ("second", "minute", "hour")):
                raise ExpressionError("fixed", b.start, b.end, wanted="Days, weeks, months or years")
            return DATE
        if kinds == ("datetime", "duration"):
            if not b.fixed:
                raise ExpressionError("fixed", b.start, b.end, wanted="The duration")
            return DATETIME
        return None

    def concatenation(self, node: Node) -> Type:
        for arg in node.args:
            self.text_of(arg)
        self.limit(node)
        return TEXT

    def limit(self, node: Node) -> None:
        """Texts can't grow without end: the longest possible one is known beforehand."""
        if self.longest(node) > TEXT_MAX:
            raise ExpressionError("too_big", node.start, node.end, limit=TEXT_MAX)

    def longest(self, node: Node) -> int:
        """The most characters that a text can have."""
        if node.kind == "field":
            info = self.paths[node.value]
            return 100_000 if info.type == "long_text" else 255
        if node.kind == "str":
            return len(node.value)
        found = sum(self.longest(a) for a in node.args if a.type.kind in ("text", "choice"))
        if node.kind == "call" and node.value == "replace":
            found = self.longest(node.args[0]) * max(1, len(node.args[2].value or ""))
        return max(found, 60)

    def first_filled(self, node: Node) -> Type:
        for arg in node.args:
            self.plain(arg)
        return self.unite(node.args)

    def unite(self, nodes: tuple[Node, ...]) -> Type:
        """One type for several values, of which all but `empty` must agree."""
        leader = next((n for n in nodes if n.type.kind != "empty" and n.kind != "str"), None)
        leader = leader or next((n for n in nodes if n.type.kind != "empty"), nodes[0])
        money = next((n for n in nodes if n.type.kind == "money"), None)
        leader = money or leader
        found = leader.type
        for other in nodes:
            if other is not leader:
                joined = self.meet(leader, other)
                found = Type(
                    found.kind, max(found.digits, joined.digits), max(found.scale, joined.scale),
                    found.options, found.target,
                )  # fmt: skip
        if found.kind == "months":
            raise _wrong("a value", nodes[0])
        return found

    # -- functions -------------------------------------------------------------------------------------

    def call(self, node: Node) -> Type:
        if node.value not in FUNCTIONS:
            raise _unknown("unknown_function", node, node.value, FUNCTIONS)
        self.arity(node)
        if node.value in PERIODS:
            raise ExpressionError("multi", node.start, node.end)
        found = _CALLS[node.value](self, node)
        if node.value in ("old", "changed", "is_new"):
            node.fixed = False
        else:
            node.fixed = all(a.fixed for a in node.args)
        return found

    def arity(self, node: Node) -> None:
        row = FUNCTIONS[node.value]
        if len(node.args) < row.least or (row.most is not None and len(node.args) > row.most):
            raise ExpressionError("arguments", node.start, node.end, name=row.name, wanted=row.usage)

    def if_(self, node: Node) -> Type:
        condition, a, b = node.args
        self.condition(condition)
        self.plain(a)
        self.plain(b)
        return self.unite((a, b))

    def coalesce_(self, node: Node) -> Type:
        return self.first_filled(node)

    def one_number(self, node: Node) -> Type:
        found = self.number_of(node.args[0])
        if node.value == "abs":
            return found
        return Type(found.kind, min(found.digits + 1, DIGITS_MAX), 0)

    def round_(self, node: Node) -> Type:
        found = self.number_of(node.args[0])
        decimals = 0
        if len(node.args) == 2:
            self.whole_constant(node.args[1])
            decimals = int(node.args[1].value)
            if decimals > SCALE_MAX:
                raise ExpressionError("fixed", node.args[1].start, node.args[1].end, wanted="0 to 12")
        return Type(found.kind, min(found.digits + 1, DIGITS_MAX), min(found.scale, decimals))

    def extreme(self, node: Node) -> Type:
        for arg in node.args:
            self.plain(arg)
        found = self.unite(node.args)
        if found.kind == "empty":
            raise _wrong("a number", node.args[0])
        if found.kind not in ("number", "money", "date", "datetime"):
            raise _wrong("a number, date or moment", node.args[0])
        return found

    def modulo(self, node: Node) -> Type:
        left, right = (self.number_of(a) for a in node.args)
        if "money" in (left.kind, right.kind):
            raise self.no_join(node, left, right)
        return Type("number", right.digits, max(left.scale, right.scale))

    def length(self, node: Node) -> Type:
        self.text_of(node.args[0])
        return COUNT

    def cut(self, node: Node) -> Type:
        self.text_of(node.args[0])
        for arg in node.args[1:]:
            self.whole(arg)
        return TEXT

    def one_text(self, node: Node) -> Type:
        self.text_of(node.args[0])
        return TEXT

    def replace_(self, node: Node) -> Type:
        for arg in node.args:
            self.text_of(arg)
        for arg in node.args[1:]:
            if arg.kind not in ("str", "empty") or (arg.value and len(arg.value) > 100):
                raise ExpressionError("fixed", arg.start, arg.end, wanted="A text of at most 100 characters")
        self.limit(node)
        return TEXT

    def text_(self, node: Node) -> Type:
        found = self.plain(node.args[0])
        if found.kind == "empty":
            node.args[0].type = TEXT
        elif found.kind not in ("number", "money", "date", "choice", "text"):
            raise _wrong("a number, date or choice", node.args[0])
        return TEXT

    def clock(self, node: Node) -> Type:
        if not self.context.live:
            raise ExpressionError("context", node.start, node.end, name=f"{node.value}()")
        self.live = True
        return DATE if node.value == "today" else DATETIME

    def date_(self, node: Node) -> Type:
        found = self.plain(node.args[0])
        if found.kind == "empty":
            node.args[0].type = DATETIME
        elif found.kind != "datetime":
            raise _wrong("a moment", node.args[0])
        self.live = True  # the day depends on the zone of the one who looks
        return DATE

    def date_part(self, node: Node) -> Type:
        self.date_of(node.args[0])
        return Type("number", 4 if node.value == "year" else 2, 0)

    def me(self, node: Node) -> Type:
        if not self.context.actor:
            raise ExpressionError("context", node.start, node.end, name="me()")
        self.live = True
        return USER

    def history(self, node: Node) -> Type:
        if not self.context.before:
            raise ExpressionError("context", node.start, node.end, name=f"{node.value}()")
        self.before = True
        if node.value == "is_new":
            return BOOL
        arg = node.args[0]
        if arg.kind != "field":
            raise ExpressionError("field", arg.start, arg.end)
        found = self.check(arg)
        return BOOL if node.value == "changed" else found


def give(node: Node, found: Type) -> Type:
    """Write the type that `empty` takes from its surroundings into it, and into the parts it comes from."""
    node.type = found
    if node.kind != "empty":
        for arg in node.args:
            if arg.type.kind == "empty":
                give(arg, found)
    return found


def _wrong(wanted: str, node: Node, *, hint: str = "") -> ExpressionError:
    return ExpressionError(
        "type",
        node.start,
        node.end,
        hint=hint,
        wanted=wanted[:1].upper() + wanted[1:],
        found=LABELS[node.type.kind],
    )


def _unknown(code: str, node: Node, found: str, names: Iterable[str]) -> ExpressionError:
    near = difflib.get_close_matches(found[:60], [n for n in names if len(n) <= 100], 1, 0.6)
    return ExpressionError(
        code, node.start, node.end, hint="did_you_mean" if near else "",
        hint_params={"near": near[0]} if near else {}, found=found[:80],
    )  # fmt: skip


def _always(found: Type) -> Callable[[Checker, Node], Type]:
    return lambda checker, node: found


_RULES: dict[str, Callable[[Checker, Node], Any]] = {
    "field": Checker.field, "num": Checker.number, "money": Checker.money, "duration": Checker.duration,
    "str": lambda checker, node: TEXT if node.value else EMPTY,
    "bool": _always(BOOL), "empty": _always(EMPTY),
    "date": _always(DATE), "datetime": _always(DATETIME), "and": Checker.logic, "or": Checker.logic,
    "not": Checker.logic, "cmp": Checker.compare, "in": Checker.member, "search": Checker.search,
    "isempty": Checker.empty_test, "list": Checker.stray, "range": Checker.stray, "neg": Checker.negative,
    "arith": Checker.arithmetic, "cat": Checker.concatenation, "coalesce": Checker.first_filled,
    "call": Checker.call,
}  # fmt: skip
_CALLS: dict[str, Callable[[Checker, Node], Type]] = {
    "if": Checker.if_, "coalesce": Checker.coalesce_, "is_empty": Checker.empty_test,
    "abs": Checker.one_number, "floor": Checker.one_number, "ceil": Checker.one_number,
    "round": Checker.round_, "min": Checker.extreme, "max": Checker.extreme, "mod": Checker.modulo,
    "length": Checker.length, "left": Checker.cut, "right": Checker.cut, "mid": Checker.cut,
    "trim": Checker.one_text, "lower": Checker.one_text, "upper": Checker.one_text,
    "replace": Checker.replace_, "text": Checker.text_, "today": Checker.clock, "now": Checker.clock,
    "date": Checker.date_, "year": Checker.date_part, "month": Checker.date_part, "day": Checker.date_part,
    "weekday": Checker.date_part, "quarter": Checker.date_part, "me": Checker.me, "old": Checker.history,
    "changed": Checker.history, "is_new": Checker.history,
}  # fmt: skip


def constant(node: Node) -> Any:
    """The Python value of a literal in its working form (numbers in units, durations in microseconds)."""
    if node.kind == "duration":
        count, unit = node.value
        if unit in UNIT_MONTHS:
            return count * UNIT_MONTHS[unit]
        span = count * UNIT_MICROSECONDS[unit]
        return span if span <= SPAN_MAX else None
    if node.kind == "str":
        return node.value or None
    if node.kind == "date" or node.kind == "datetime":
        value: date | datetime = node.value
        return value
    return node.value
