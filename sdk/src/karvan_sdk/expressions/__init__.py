"""The expression language of filters, views and rules: parse, type, evaluate (see docs/expressions.md)."""

from karvan_sdk.expressions.closures import (
    Condition,
    Environment,
    compile_condition,
    constant,
    period_days,
)
from karvan_sdk.expressions.language import ExpressionError, FieldInfo, Node, Scope

__all__ = [
    "Condition",
    "Environment",
    "ExpressionError",
    "FieldInfo",
    "Node",
    "Scope",
    "compile_condition",
    "constant",
    "period_days",
]
