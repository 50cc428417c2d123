"""Exact numbers: every number is a whole count of 10^-12 (a unit), whatever engine it came from."""

from __future__ import annotations

from decimal import Context, Decimal

SCALE = 12
UNIT = 1_000_000_000_000
LIMIT = UNIT * 10**26
"""Beyond 26 digits before the point a result is empty."""
_EXACT = Context(prec=120)


def to_units(value: int | Decimal) -> int:
    """The units of a Python number with at most 12 decimals."""
    if isinstance(value, Decimal):
        return int(value.scaleb(SCALE, _EXACT))
    return int(value) * UNIT


def to_decimal(units: int) -> Decimal:
    """The number as a Decimal without trailing zeros."""
    return Decimal(plain(units))


def plain(units: int) -> str:
    """The plain text of a number: no exponent, no trailing zeros, no -0."""
    whole, rest = divmod(abs(units), UNIT)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:012d}".rstrip("0") if rest else f"{sign}{whole}"


def half_away(number: int, divisor: int) -> int:
    """The quotient, rounded half away from zero."""
    quotient, rest = divmod(abs(number), abs(divisor))
    if rest * 2 >= abs(divisor):
        quotient += 1
    return quotient if (number < 0) == (divisor < 0) else -quotient


def cap(units: int) -> int | None:
    """The number, or None where it has left the range."""
    return units if -LIMIT < units < LIMIT else None


def add(a: int, b: int) -> int | None:
    """a + b."""
    return cap(a + b)


def subtract(a: int, b: int) -> int | None:
    """a - b."""
    return cap(a - b)


def multiply(a: int, b: int) -> int | None:
    """a * b, to 12 decimals."""
    return cap(half_away(a * b, UNIT))


def divide(a: int, b: int) -> int | None:
    """a / b, to 12 decimals; None for b = 0."""
    return cap(half_away(a * UNIT, b)) if b else None


def modulo(a: int, b: int) -> int | None:
    """The rest, with the sign of b; None for b = 0."""
    return a % b if b else None


def round_to(units: int, decimals: int) -> int | None:
    """Rounded half away from zero."""
    step = int(10 ** (SCALE - decimals))
    return cap(half_away(units, step) * step)


def floor(units: int) -> int | None:
    """The next whole number down."""
    return cap(units // UNIT * UNIT)


def ceil(units: int) -> int | None:
    """The next whole number up."""
    return cap(-(-units // UNIT) * UNIT)
