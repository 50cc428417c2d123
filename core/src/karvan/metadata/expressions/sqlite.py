"""What is SQLite's own: scaled whole numbers, dates and moments as text, conditions as 0 and 1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from karvan.metadata.expressions.emit import UNIT_SCALE, Emitter
from karvan.metadata.expressions.measure import decimals_of, measure, power_of_ten, refuse
from karvan.metadata.kinds import moment_text
from karvan_sdk.expressions import Node, fixed_value
from karvan_sdk.expressions.letters import BLANKS

_DATE_PARTS = {
    "year": "CAST(substr({0}, 1, 4) AS INTEGER)",
    "month": "CAST(substr({0}, 6, 2) AS INTEGER)",
    "day": "CAST(substr({0}, 9, 2) AS INTEGER)",
    "quarter": "((CAST(substr({0}, 6, 2) AS INTEGER) + 2) / 3)",
    "weekday": "((CAST(strftime('%w', {0}) AS INTEGER) + 6) % 7 + 1)",
}


class SqliteEmitter(Emitter):
    """SQLite."""

    same, differs, not_true, yes, no = "IS", "IS NOT", "IS NOT 1", "1", "0"

    def bind(self, value: Any, kind: str) -> str:
        if isinstance(value, datetime):
            value = moment_text(value)
        elif isinstance(value, date):
            value = value.isoformat()
        self.params.append(value)
        return "?"

    def null(self, kind: str) -> str:
        return "NULL"

    def number_bound(self, node: Node, scaled: int, scale: int) -> str:
        self.params.append(scaled)
        return "?"

    def compare_wide(self, sign: str, left: Node, right: Node) -> str:
        """a * k against b, without a * k: with the whole quotient and the rest of b by k."""
        one, two = measure(left, self.environment)[0], measure(right, self.environment)[0]
        if one > two:
            mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(sign, sign)
            return self.compare_wide(mirrored, right, left)
        k = 10 ** (two - one)

        def a() -> str:
            return self.number(left, one)

        def quotient() -> str:
            b = self.number(right, two)
            return f"(({b}) - ((({self.number(right, two)}) % {k}) + {k}) % {k}) / {k}"

        def rest() -> str:
            return f"({self.number(right, two)}) % {k}"

        if sign in ("=", "!="):
            empty = f"({a()} IS NULL AND {self.number(right, two)} IS NULL)"
            same = f"({empty} OR ({a()} = {quotient()} AND {rest()} = 0))"
            return same if sign == "=" else f"{same} IS NOT 1"
        if sign in ("<=", ">"):
            return f"{a()} {sign} {quotient()}"
        if sign == "<":
            return f"({a()} < {quotient()} OR ({a()} = {quotient()} AND {rest()} <> 0))"
        return f"({a()} > {quotient()} OR ({a()} = {quotient()} AND {rest()} = 0))"

    def find(self, text: str, mark: str) -> str:
        return f"instr({text}, {mark})"

    def tail(self, text: str, size: int) -> str:
        return f"substr({text}, -{size})"

    def strip(self, text: str) -> str:
        return f"nullif(trim({text}, {self.bind(BLANKS, 'text')}), '')"

    def date_text(self, text: str) -> str:
        return text

    def add_days(self, text: str, count: int) -> str:
        return f"date({text}, '{count:+d} days')"

    def add_months(self, make: Callable[[], str], count: int) -> str:
        def last_day() -> str:
            # the day before the month behind; behind 9999-12 there is none
            month = f"date({make()}, 'start of month', '{count:+d} months', '+1 month', '-1 day')"
            return f"coalesce({month}, '9999-12-31')"

        return f"(substr({last_day()}, 1, 8) || min(substr({make()}, 9, 2), substr({last_day()}, 9, 2)))"

    def microseconds(self, make: Callable[[], str]) -> str:
        seconds = f"CAST(strftime('%s', substr({make()}, 1, 19)) AS INTEGER) * 1000000"
        return f"({seconds} + CAST(substr({make()}, 21, 6) AS INTEGER))"

    def add_span(self, make: Callable[[], str], span: int) -> str:
        def moved() -> str:
            return f"({self.microseconds(make)} + {span})"

        def micros() -> str:
            return f"(({moved()} % 1000000 + 1000000) % 1000000)"

        seconds = f"strftime('%Y-%m-%dT%H:%M:%S', ({moved()} - {micros()}) / 1000000, 'unixepoch')"
        return f"({seconds} || printf('.%06dZ', {micros()}))"

    def extreme(self, name: str, texts: list[str]) -> str:
        # the aggregate skips empties, which the scalar function of this name does not
        rows = " UNION ALL SELECT ".join([f"{t} AS v" for t in texts])
        return f"(SELECT {name}(v) FROM (SELECT {rows}))"

    # -- numbers ---------------------------------------------------------------------------------------

    def number(self, node: Node, scale: int) -> str:
        self.spend(node)
        own, _ = measure(node, self.environment)
        if node.fixed:
            units = fixed_value(node, self.environment)
            return "NULL" if units is None else self.bind(units // 10 ** (UNIT_SCALE - scale), "number")
        text = self._own(node, own)
        return f"({text} * {10 ** (scale - own)})" if scale > own else text

    def _own(self, node: Node, scale: int) -> str:
        kind, args = node.kind, node.args
        if kind == "field":
            return self.column(node)
        if kind == "neg":
            return f"(-{self.number(args[0], scale)})"
        if kind == "coalesce":
            return f"coalesce({', '.join([self.number(a, scale) for a in args])})"
        if kind == "arith":
            return self._arithmetic(node, scale)
        if kind == "call":
            return self._call(node, scale)
        raise refuse(node, "This part")

    def _arithmetic(self, node: Node, scale: int) -> str:
        a, b = node.args
        if a.type.kind == "date":
            return f"CAST(julianday({self.value(a)}) - julianday({self.value(b)}) AS INTEGER)"
        if node.value == "/":  # by a power of ten: only the point moves
            return self.number(a, scale - (power_of_ten(b, self.environment) or 0))
        if node.value == "*":
            one, two = (measure(n, self.environment)[0] for n in (a, b))
            return f"({self.number(a, one)} * {self.number(b, two)})"
        return f"({self.number(a, scale)} {node.value} {self.number(b, scale)})"

    def _call(self, node: Node, scale: int) -> str:
        name, args = node.value, node.args
        if name == "abs":
            return f"abs({self.number(args[0], scale)})"
        if name in ("round", "floor", "ceil"):
            return self._rounded(node)
        if name == "mod":
            a, b = self.number(args[0], scale), self.number(args[1], scale)
            c, d = self.number(args[1], scale), self.number(args[1], scale)
            return f"((({a} % nullif({b}, 0)) + {c}) % nullif({d}, 0))"
        if name == "if":
            return f"({self.choose(node, lambda n: self.number(n, scale))})"
        if name == "coalesce":
            return f"coalesce({', '.join([self.number(a, scale) for a in args])})"
        if name in ("min", "max"):
            return self.extreme(name, [self.number(a, scale) for a in args])
        if name == "length":
            return f"length({self.value(args[0])})"
        if name in _DATE_PARTS:
            return _DATE_PARTS[name].format(self.value(args[0]))
        raise refuse(node, f"{name}()")

    def _rounded(self, node: Node) -> str:
        inner, own = node.args[0], measure(node.args[0], self.environment)[0]
        decimals = decimals_of(node)
        if decimals >= own:
            return self.number(inner, own)
        step = 10 ** (own - decimals)

        def x() -> str:
            return self.number(inner, own)

        if node.value == "round":
            half = step // 2
            return (
                f"(CASE WHEN {x()} < 0 THEN -(({half} - {x()}) / {step}) ELSE ({x()} + {half}) / {step} END)"
            )
        if node.value == "floor":
            return f"(({x()} - ({x()} % {step} + {step}) % {step}) / {step})"
        return f"(({x()} + ((-{x()}) % {step} + {step}) % {step}) / {step})"
