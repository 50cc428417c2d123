"""Conditions as SQL text with bound values, on both engines: TRUE exactly where the condition holds."""

from __future__ import annotations

from karvan.metadata.expressions.emit import Columns, Emitter
from karvan.metadata.expressions.postgresql import PostgresqlEmitter
from karvan.metadata.expressions.sqlite import SqliteEmitter
from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Dialect
from karvan_sdk.expressions import Condition, Environment, Value

__all__ = ["Columns", "Fragment", "compile_sql", "value_sql"]


def _emitter(dialect: Dialect, columns: Columns, environment: Environment) -> Emitter:
    made = PostgresqlEmitter if dialect == "postgresql" else SqliteEmitter
    return made(columns, environment)


def compile_sql(
    condition: Condition, dialect: Dialect, columns: Columns, environment: Environment
) -> Fragment:
    """The condition as a text for WHERE; raises ExpressionError where a part can't be asked of a database."""
    emitter = _emitter(dialect, columns, environment)
    text = emitter.holds(condition.ast)
    return Fragment(text=text, params=tuple(emitter.params))


def value_sql(value: Value, dialect: Dialect, columns: Columns, environment: Environment) -> Fragment:
    """The value as a SQL expression, in the engine's form (numbers with the scale of the value's parts)."""
    emitter = _emitter(dialect, columns, environment)
    text = emitter.result(value.ast)
    return Fragment(text=text, params=tuple(emitter.params))
