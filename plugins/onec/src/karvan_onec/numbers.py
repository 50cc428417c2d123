"""Numbers, flags and texts as 1C and its export modules write them, turned into ours."""

from __future__ import annotations

import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal

_BLANKS = dict.fromkeys(map(ord, " \t\r\n\u00a0\u2007\u2009\u202f'"))
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_PERCENT = re.compile(r"\d+([.,]\d+)?")
_TRUE = frozenset(("true", "1", "да", "истина"))
DIGITS_MAX = 15
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class NoNumber(ValueError):
    """A text that is no number; `text` is the text."""

    def __init__(self, text: str) -> None:
        self.text = text[:40]
        super().__init__(self.text)


def read_number(text: str) -> Decimal | None:
    """`1234.5`, `1 234,50`, `1,234.50`, `1.234,50`; None for an empty text; raises NoNumber.

    Of two kinds of separators the last one is the decimal mark; a single comma always is.
    """
    bare = text.translate(_BLANKS)
    if not bare:
        return None
    comma, point = bare.rfind(","), bare.rfind(".")
    if comma >= 0 and point >= 0:
        thousands, mark = (",", ".") if point > comma else (".", ",")
        bare = bare.replace(thousands, "").replace(mark, ".")
    elif comma >= 0:
        bare = bare.replace(",", ".")
    if not _NUMBER.fullmatch(bare) or sum(c.isdigit() for c in bare.partition(".")[0]) > DIGITS_MAX:
        raise NoNumber(text.strip())
    return Decimal(bare)


def as_text(number: Decimal | None, scale: int) -> str | None:
    """The JSON form with exactly `scale` decimals, half rounded up; None for none."""
    if number is None:
        return None
    rounded = number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    return str(rounded + 0 if rounded else abs(rounded))


def read_flag(text: str | None) -> bool:
    """`true`, `1`, `Да`, `Истина`."""
    return (text or "").strip().casefold() in _TRUE


def read_tax(text: str) -> Decimal | None:
    """The rate of `20`, `20%`, `НДС20`, `18.00`; None for `Без НДС`, fractions like 20/120, and nonsense."""
    if "/" in text:
        return None
    found = _PERCENT.search(text)
    rate = Decimal(found.group().replace(",", ".")) if found else None
    return rate if rate is not None and rate <= 100 else None


def tidy(text: str) -> str:
    """As it is stored: NFC, no control characters, no blanks around."""
    return unicodedata.normalize("NFC", CONTROL.sub("", text)).strip()


def tidy_line(text: str) -> str:
    """The same on one line, with single blanks between words."""
    return " ".join(tidy(text).split())
