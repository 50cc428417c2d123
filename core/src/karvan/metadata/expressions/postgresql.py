"""What is PostgreSQL's own: NUMERIC, dates and moments with types, conditions as booleans."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from karvan.metadata.expressions.emit import Emitter
from karvan.metadata.expressions.measure import decimals_of, measure, refuse
from karvan_sdk.expressions import Node, fixed_value
from karvan_sdk.expressions.letters import BLANKS
from karvan_sdk.expressions.numbers import to_decimal

_CASTS = {
    "text": "text", "choice": "text", "date": "date", "datetime": "timestamptz", "record": "bigint",
    "user": "bigint", "duration": "bigint", "number": "numeric", "money": "numeric", "bool": "boolean",
}  # fmt: skip
_DATE_PARTS = {"year": "year", "month": "month", "day": "day", "quarter": "quarter", "weekday": "isodow"}


class PostgresqlEmitter(Emitter):
    """PostgreSQL."""

    same, differs, not_true = "IS NOT DISTINCT FROM", "IS DISTINCT FROM", "IS NOT TRUE"
    yes, no = "TRUE", "FALSE"

    def bind(self, value: Any, kind: str) -> str:
        self.params.append(value)
        return f"?::{_CASTS[kind]}"

    def null(self, kind: str) -> str:
        return f"NULL::{_CASTS.get(kind, 'text')}"

    def truth(self, flag: str) -> str:
        return flag

    def number_bound(self, node: Node, scaled: int, scale: int) -> str:
        if node.kind == "field" and self._is_whole(node):
            self.params.append(scaled)
            return "?::bigint"
        self.params.append(Decimal(scaled).scaleb(-scale))
        return "?::numeric"

    def compare_wide(self, sign: str, left: Node, right: Node) -> str:
        return f"{self.number(left, 0)} {self.sign(sign)} {self.number(right, 0)}"

    def find(self, text: str, mark: str) -> str:
        return f"strpos({text}, {mark})"

    def tail(self, text: str, size: int) -> str:
        return f"right({text}, {size})"

    def strip(self, text: str) -> str:
        return f"nullif(btrim({text}, {self.bind(BLANKS, 'text')}), '')"

    def date_text(self, text: str) -> str:
        return f"to_char({text}, 'YYYY-MM-DD') COLLATE \"C\""

    def add_days(self, text: str, count: int) -> str:
        return f"({text} + {count})"

    def add_months(self, make: Callable[[], str], count: int) -> str:
        return f"({make()} + interval '{count} months')::date"

    def add_span(self, make: Callable[[], str], span: int) -> str:
        sign, size = ("-" if span < 0 else ""), abs(span)
        return f"({make()} + interval '{sign}{size // 1_000_000}.{size % 1_000_000:06d} seconds')"

    def microseconds(self, make: Callable[[], str]) -> str:
        return f"(extract(epoch from {make()}) * 1000000)::bigint"

    def extreme(self, name: str, texts: list[str]) -> str:
        return f"{'least' if name == 'min' else 'greatest'}({', '.join(texts)})"

    # -- numbers: NUMERIC whatever the scale -------------------------------------------------------------

    @staticmethod
    def _is_whole(node: Node) -> bool:
        return node.type.kind == "number" and node.type.digits == 16 and not node.type.scale

    def number(self, node: Node, scale: int) -> str:
        self.spend(node)
        measure(node, self.environment)
        kind, args = node.kind, node.args
        if node.fixed:
            units = fixed_value(node, self.environment)
            return "NULL::numeric" if units is None else self.bind(to_decimal(units), "number")
        if kind == "field":
            # whole numbers go to NUMERIC: functions of bigint are floats here
            return f"{self.column(node)}::numeric" if self._is_whole(node) else self.column(node)
        if kind == "neg":
            return f"(-{self.number(args[0], scale)})"
        if kind == "coalesce":
            return f"coalesce({self._list(args)})"
        if kind == "arith":
            if args[0].type.kind == "date":
                return f"({self.value(args[0])} - {self.value(args[1])})::numeric"
            if node.value == "/":
                return f"({self.number(args[0], scale)} * {self._inverse(args[1])})"
            return f"({self.number(args[0], scale)} {node.value} {self.number(args[1], scale)})"
        if kind == "call":
            return self._call(node)
        raise refuse(node, "This part")

    def _inverse(self, node: Node) -> str:
        return self.bind(Decimal(1) / to_decimal(fixed_value(node, self.environment)), "number")

    def _list(self, nodes: tuple[Node, ...]) -> str:
        return ", ".join([self.number(n, 0) for n in nodes])

    def _call(self, node: Node) -> str:
        name, args = node.value, node.args
        if name == "round":
            return f"round({self.number(args[0], 0)}, {decimals_of(node)})"
        if name in ("abs", "floor", "ceil"):
            return f"{name}({self.number(args[0], 0)})"
        if name == "mod":
            a, b = self.number(args[0], 0), self.number(args[1], 0)
            c, d = self.number(args[1], 0), self.number(args[1], 0)
            return f"mod(mod({a}, nullif({b}, 0)) + {c}, nullif({d}, 0))"
        if name == "if":
            return f"({self.choose(node, lambda n: self.number(n, 0))})"
        if name == "coalesce":
            return f"coalesce({self._list(args)})"
        if name in ("min", "max"):
            return self.extreme(name, [self.number(a, 0) for a in args])
        if name == "length":
            return f"length({self.value(args[0])})::numeric"
        if name in _DATE_PARTS:
            return f"extract({_DATE_PARTS[name]} from {self.value(args[0])})"
        raise refuse(node, f"{name}()")
