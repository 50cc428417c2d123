"""Exact money: the smallest coin of a currency and the total of a line. No floats anywhere."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

TOTAL_SCALE = 3
"""The decimals that a stored total has: those of the finest coins in circulation, the dinars."""
TOTAL_LIMIT = Decimal(10) ** (18 - TOTAL_SCALE)
"""Totals stay below this: a stored number has 18 digits."""
HUNDRED = Decimal(100)

MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
    # ISO 4217 gives the rial two decimals, but its hundredth has not been coined for decades
    "IRR": 0,
}
"""Decimals of currencies that have not two (ISO 4217, with the one exception named)."""

# 18 digits times 18 digits times a discount of 5 digits are more than the 28 that Python keeps by itself
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


def minor_unit(currency: str) -> int:
    """The decimals of the smallest coin of a currency, at most as many as a total keeps."""
    return min(MINOR_UNITS.get(currency, 2), TOTAL_SCALE)


def round_money(amount: Decimal, currency: str) -> Decimal:
    """An amount rounded half up (away from zero) to the smallest coin of its currency."""
    return round_to(amount, minor_unit(currency))


def round_to(amount: Decimal, scale: int) -> Decimal:
    """An amount rounded half up to `scale` decimals."""
    return amount.quantize(Decimal(1).scaleb(-scale), context=_EXACT)


def line_total(
    quantity: Decimal, unit_price: Decimal, discount: Decimal | None, currency: str
) -> Decimal | None:
    """quantity x unit price x (1 - discount/100), rounded once, at the end; None when it fits no field."""
    with localcontext(_EXACT):
        total = quantity * unit_price * (HUNDRED - (discount or Decimal(0))) / HUNDRED
        rounded = round_money(total, currency)
    return rounded if rounded < TOTAL_LIMIT else None
