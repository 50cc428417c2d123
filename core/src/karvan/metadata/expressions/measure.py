"""How large a computed number can be: what may leave 64 bits is refused, on both engines alike.

SQLite turns an overflowing whole number into a float without a word; so a part of a filter is only made
where its scaled value always fits.
"""

from __future__ import annotations

from typing import Any

from karvan_sdk.expressions import Environment, ExpressionError, Node, fixed_value

INT64 = 2**63 - 1
WHOLE = 2**53 - 1
STORED = 10**18 - 1
SCALE_MAX = 12
SPAN_MAX = 10**18
MOMENTS = 320_000_000_000_000_000
"""No two moments of the years 1 to 9999 are further apart, in microseconds."""

Measure = tuple[int, int]
_SMALL = {"length": 2**20, "year": 9999, "month": 12, "day": 31, "weekday": 7, "quarter": 4}


def refuse(node: Node, name: str) -> ExpressionError:
    """The error of a part that filters can't hold."""
    return ExpressionError("not_in_sql", node.start, node.end, name=name)


def units_measure(units: int | None) -> Measure:
    """The scale and size of a constant."""
    if not units:
        return 0, 0
    scale = SCALE_MAX
    while scale and units % 10 == 0:
        units //= 10
        scale -= 1
    return scale, abs(units)


def measure(node: Node, env: Environment) -> Measure:
    """The decimals of a number and the greatest size of its scaled value; raises ExpressionError."""
    scale, bound = _measure(node, env)
    if scale > SCALE_MAX or bound > INT64:
        raise refuse(node, "A computed number of this size")
    return scale, bound


def aligned(a: Measure, b: Measure) -> Measure:
    """The scale that two numbers share and the greater size."""
    scale = max(a[0], b[0])
    return scale, max(a[1] * 10 ** (scale - a[0]), b[1] * 10 ** (scale - b[0]))


def _measure(node: Node, env: Environment) -> Measure:
    if node.fixed:
        return units_measure(fixed_value(node, env))
    kind, args = node.kind, node.args
    if kind == "field":
        whole = node.type.digits == 16 and not node.type.scale and node.type.kind == "number"
        return node.type.scale, WHOLE if whole else STORED
    if kind == "neg":
        return measure(args[0], env)
    if kind == "coalesce":
        return _most(args, env)
    if kind == "arith":
        return _arithmetic(node, env)
    if kind == "call":
        return _call(node, env)
    raise refuse(node, "This part")


def _most(nodes: tuple[Node, ...], env: Environment) -> Measure:
    found = measure(nodes[0], env)
    for node in nodes[1:]:
        found = aligned(found, measure(node, env))
    return found


def power_of_ten(node: Node, env: Environment) -> int | None:
    """k where a constant is 10^k and k is not negative: dividing by it only moves the point."""
    units = fixed_value(node, env) if node.fixed else None
    text = str(units) if units else ""
    exponent = len(text) - 1 - SCALE_MAX
    return exponent if exponent >= 0 and text.strip("0") == "1" else None


def _arithmetic(node: Node, env: Environment) -> Measure:
    a, b = node.args
    if a.type.kind == "date":
        return 0, 4_000_000
    one, two = measure(a, env), measure(b, env) if node.value != "/" else (0, 0)
    if node.value == "/":
        exponent = power_of_ten(b, env)
        if exponent is None:
            raise refuse(node, "Division")
        return one[0] + exponent, one[1]
    if node.value == "*":
        return one[0] + two[0], one[1] * two[1]
    scale = max(one[0], two[0])
    return scale, one[1] * 10 ** (scale - one[0]) + two[1] * 10 ** (scale - two[0])


def decimals_of(node: Node) -> int:
    """The n of round(x, n)."""
    return int(node.args[1].value) if node.value == "round" and len(node.args) == 2 else 0


def _call(node: Node, env: Environment) -> Measure:
    name, args = node.value, node.args
    if name in _SMALL:
        return 0, _SMALL[name]
    if name == "abs":
        return measure(args[0], env)
    if name in ("round", "floor", "ceil"):
        scale, bound = measure(args[0], env)
        decimals = decimals_of(node)
        if decimals >= scale:
            return scale, bound
        step = 10 ** (scale - decimals)
        if bound + step > INT64:
            raise refuse(node, "A computed number of this size")
        return decimals, bound // step + 1
    if name == "mod":
        scale, bound = _most(args, env)
        return scale, bound * 2
    if name in ("if", "coalesce", "min", "max"):
        return _most(args[1:] if name == "if" else args, env)
    raise refuse(node, f"{name}()")


def check_span(node: Node, env: Environment) -> int:
    """The greatest size of a duration; raises ExpressionError where it may leave its range."""
    found: Any
    if node.fixed:
        found = fixed_value(node, env)
        return abs(found) if found is not None else 0
    if node.kind == "arith":
        a, b = node.args
        if a.type.kind == "datetime":
            return MOMENTS
        size = check_span(a, env) + check_span(b, env)
        if size > SPAN_MAX:
            raise refuse(node, "A duration of this size")
        return size
    if node.kind == "coalesce" or (node.kind == "call" and node.value in ("if", "coalesce")):
        return max(check_span(a, env) for a in (node.args[1:] if node.value == "if" else node.args))
    raise refuse(node, "This part")
