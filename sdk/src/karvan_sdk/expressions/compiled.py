"""Compiled expressions: frozen values that hold a checked tree, what it reads, and its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from karvan_sdk.expressions import form, numbers
from karvan_sdk.expressions.check import NUMERIC, Checker
from karvan_sdk.expressions.errors import ExpressionError
from karvan_sdk.expressions.parser import Node, parse
from karvan_sdk.expressions.python import Closure, close
from karvan_sdk.expressions.types import ANY, Context, Environment, FieldInfo, Scope, Type


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A checked tree. `live`: it depends on the environment; `before`: on the values before a change."""

    ast: Node
    fields: Mapping[tuple[str, ...], FieldInfo]
    live: bool
    before: bool

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """The paths it reads, in order of appearance."""
        return tuple(self.fields)

    @cached_property
    def closure(self) -> Closure:
        """The evaluation, made at its first use."""
        return close(self.ast)

    def show(self) -> str:
        """The canonical text."""
        return form.show(self.ast)

    def dump(self, object_uid: str = "") -> Mapping[str, Any]:
        """The stored form, a JSON value of uids."""
        return form.stored(
            self.ast, lambda path: self.fields[path].uid, object_uid=object_uid, live=self.live
        )


@dataclass(frozen=True, kw_only=True)
class Condition(Compiled):
    """A yes/no expression."""

    def test(self, values: Mapping[str, Any], env: Environment) -> bool:
        """Whether it holds for values in Python form, by dotted path ("account.industry")."""
        return bool(self.closure(values, env))


@dataclass(frozen=True, kw_only=True)
class Value(Compiled):
    """An expression of any type."""

    @property
    def type(self) -> Type:
        """The type of the result."""
        return self.ast.type

    def evaluate(self, values: Mapping[str, Any], env: Environment) -> Any:
        """The result in Python form; a duration is whole microseconds."""
        found = self.closure(values, env)
        if found is None or self.ast.type.kind not in NUMERIC:
            return found
        return numbers.to_decimal(found) if self.ast.type.scale else found // numbers.UNIT


def compile_condition(text: str, scope: Scope, context: Context = ANY) -> Condition:
    """Parse and type a condition; raises ExpressionError."""
    return _condition(parse(text), scope, context)


def load_condition(data: Any, names: form.Path, scope: Scope, context: Context = ANY) -> Condition:
    """The condition of a stored form (`Condition.dump`); `names` turns uids into API names."""
    return _condition(form.load(data["ast"], names), scope, context)


def _condition(ast: Node, scope: Scope, context: Context) -> Condition:
    checker = Checker(scope, context)
    checker.condition(ast)
    return Condition(ast=ast, fields=checker.paths, live=checker.live, before=checker.before)


def compile_value(text: str, scope: Scope, context: Context = ANY) -> Value:
    """Parse and type an expression of any type; raises ExpressionError."""
    ast = parse(text)
    checker = Checker(scope, context)
    checker.plain(ast)
    if ast.type.kind == "months":
        raise ExpressionError("type", ast.start, ast.end, wanted="A value", found="a number of months")
    return Value(ast=ast, fields=checker.paths, live=checker.live, before=checker.before)


def show(value: Node | Compiled) -> str:
    """The canonical text of a tree or a compiled expression."""
    return form.show(value) if isinstance(value, Node) else value.show()
