"""The expression language: parse, type, evaluate, show; SQL is made of the same tree elsewhere."""

from karvan_sdk.expressions.compiled import (
    Condition,
    Value,
    compile_condition,
    compile_value,
    load_condition,
    show,
)
from karvan_sdk.expressions.errors import ERRORS, HINTS, ExpressionError
from karvan_sdk.expressions.form import literal
from karvan_sdk.expressions.functions import FUNCTIONS, Function
from karvan_sdk.expressions.parser import Node, parse
from karvan_sdk.expressions.python import fixed_value, period_count, period_days
from karvan_sdk.expressions.types import (
    ANY,
    FIELD_TYPES,
    FILTER,
    FORMULA,
    LAYOUT,
    RESTRICTION,
    RULE,
    SHARING,
    Context,
    Environment,
    FieldInfo,
    Scope,
    Type,
)

__all__ = [
    "ANY",
    "ERRORS",
    "FIELD_TYPES",
    "FILTER",
    "FORMULA",
    "FUNCTIONS",
    "HINTS",
    "LAYOUT",
    "RESTRICTION",
    "RULE",
    "SHARING",
    "Condition",
    "Context",
    "Environment",
    "ExpressionError",
    "FieldInfo",
    "Function",
    "Node",
    "Scope",
    "Type",
    "Value",
    "compile_condition",
    "compile_value",
    "fixed_value",
    "literal",
    "load_condition",
    "parse",
    "period_count",
    "period_days",
    "show",
]
