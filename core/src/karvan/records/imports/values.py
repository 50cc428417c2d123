"""From a cell to the JSON form of a value: numbers, dates and words as people write them.

Whatever a cell alone can't tell (is 1/2/2026 in January or in February?) is told by the style of its
column, which `inference` reads from all cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, Literal

import orjson

from karvan.metadata.kinds import Wrong, moment_text
from karvan.records.imports.folding import ascii_digits, fold_name

DateOrder = Literal["dmy", "mdy"]
Parse = Callable[[str], Any]

CURRENCY_SIGNS: Mapping[str, str] = {
    "$": "USD", "us$": "USD", "€": "EUR", "£": "GBP", "₽": "RUB", "руб": "RUB", "руб.": "RUB", "р.": "RUB",
    "₸": "KZT", "₴": "UAH", "₺": "TRY", "₹": "INR", "﷼": "IRR", "ریال": "IRR", "¥": "CNY", "￥": "CNY",
    "元": "CNY", "₩": "KRW", "zł": "PLN", "kr": "SEK",
}  # fmt: skip
CURRENCY_CODES = frozenset(
    [
        "AED",
        "AMD",
        "ARS",
        "AUD",
        "AZN",
        "BGN",
        "BRL",
        "BYN",
        "CAD",
        "CHF",
        "CLP",
        "CNY",
        "COP",
        "CZK",
        "DKK",
        "EGP",
        "EUR",
        "GBP",
        "GEL",
        "HKD",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JPY",
        "KGS",
        "KRW",
        "KZT",
        "MDL",
        "MXN",
        "MYR",
        "NOK",
        "NZD",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SEK",
        "SGD",
        "THB",
        "TJS",
        "TRY",
        "TWD",
        "UAH",
        "USD",
        "UZS",
        "VND",
        "ZAR",
    ]
)
TRUE_WORDS = frozenset(
    fold_name(w)
    for w in ("1", "true", "yes", "y", "t", "on", "x", "да", "истина", "بله", "آری", "درست", "是", "真")
)
FALSE_WORDS = frozenset(
    fold_name(w)
    for w in ("0", "false", "no", "n", "f", "off", "нет", "ложь", "خیر", "نه", "نادرست", "否", "假")
)


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a column writes what can be written in several ways.

    `decimal` is the decimal sign, `order` the order of day and month in numeric dates, `zone` the zone of
    moments without an offset.
    """

    decimal: str = "."
    order: DateOrder = "mdy"
    zone: tzinfo = UTC


# -- text -------------------------------------------------------------------------------------------------

_QUOTED_FORMULA = re.compile("'+(?:[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]|NULL$)")
_FORMULA = re.compile("'*(?:[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]|NULL$)")


def quote_formula(text: str) -> str:
    """A text that a spreadsheet will not take for a formula (OWASP: CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text


def unquote_formula(text: str) -> str:
    """Undo `quote_formula`; other programs write the same quote (`'+7…`) to keep phones as text."""
    return text[1:] if _QUOTED_FORMULA.match(text) else text


# -- numbers ----------------------------------------------------------------------------------------------

_SPACE = " \u00a0\u202f\u2009"
_MONEY = re.compile(
    rf"(?P<sign>[-+]?)[{_SPACE}]*(?P<before>(?:[^\d.,+\-{_SPACE}]+\.?)?)[{_SPACE}]*(?P<sign2>[-+]?)[{_SPACE}]*"
    rf"(?P<number>(?:\d[\d.,'’{_SPACE}]*\d|\d|[.,]\d+))[.,]?[{_SPACE}]*(?P<after>[^\d,+\-{_SPACE}]*)"
)
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number as text (`-1234.50`), the currency its sign named, and whether it stood in percent."""

    text: str
    currency: str = ""
    percent: bool = False


def read_number(cell: str, decimal: str = ".") -> Number:
    """Read a number as people write it: `$22,700.00`, `1 234,50 ₽`, `(12.5)`, `۱۲۳`; raises Wrong."""
    text = cell.strip()
    if _PLAIN.fullmatch(text) and decimal == ".":
        return Number(text=text)
    bare = ascii_digits(text).replace("\u2212", "-").replace("٬", "").replace("٫", decimal)
    negative = bare.startswith("(") and bare.endswith(")")
    found = _MONEY.fullmatch(bare[1:-1].strip() if negative else bare)
    if found is None or (found["sign"] and found["sign2"]):
        raise _no_number(cell)
    currency, percent = _unit(cell, found["before"], found["after"])
    number = _plain_number(found["number"], decimal)
    if number is None:
        raise _no_number(cell)
    if negative or "-" in (found["sign"], found["sign2"]):
        number = f"-{number}"
    return Number(text=number, currency=currency, percent=percent)


def _unit(cell: str, before: str, after: str) -> tuple[str, bool]:
    if before and after:
        raise _no_number(cell)
    unit = before or after
    if not unit:
        return "", False
    if unit in ("%", "٪"):
        return "", True
    currency = CURRENCY_SIGNS.get(unit.lower()) or (unit.upper() if unit.upper() in CURRENCY_CODES else "")
    if not currency:
        raise _no_number(cell)
    return currency, False


def _plain_number(text: str, decimal: str) -> str | None:
    whole, mark, rest = text.rpartition(decimal) if text.count(decimal) == 1 else (text, "", "")
    if (mark and not rest.isdigit()) or (not mark and decimal in text):
        return None
    for group in ("," if decimal == "." else ".", "'", "’", *_SPACE):
        if group in whole:
            # lakhs are grouped by two, all else by three
            pattern = rf"\d{{1,3}}(?:{re.escape(group)}\d{{2,3}})*{re.escape(group)}\d{{3}}"
            if not re.fullmatch(pattern, whole):
                return None
            whole = whole.replace(group, "")
            break
    if whole and not whole.isdigit():
        return None
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{rest}" if rest else whole


def _no_number(cell: str) -> Wrong:
    return Wrong("wrong_type", "'{value}' is no number.", value=cell[:40])


def parse_decimal(style: Style) -> Parse:
    """A parser for decimals, amounts and percents."""
    return lambda cell: read_number(cell, style.decimal).text


def parse_integer(style: Style) -> Parse:
    """A parser for whole numbers; `12.00` is one."""

    def parse(cell: str) -> int:
        whole, _, rest = read_number(cell, style.decimal).text.partition(".")
        if rest.strip("0"):
            raise Wrong("wrong_type", "'{value}' is no whole number.", value=cell[:40])
        return int(whole)

    return parse


def parse_boolean(cell: str) -> bool:
    """Read yes or no in the languages of the interface."""
    word = fold_name(ascii_digits(cell))
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise Wrong("wrong_type", "'{value}' is neither yes nor no.", value=cell[:40])


# -- dates ------------------------------------------------------------------------------------------------

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan янв", "feb фев", "mar мар", "apr апр", "may мая май", "jun июн", "jul июл", "aug авг",
            "sep сен", "oct окт", "nov ноя", "dec дек",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_TIME = (
    r"(?:[T\s,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?\s*(?P<offset>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<y>\d{4})(?:[-/.年])(?P<m>\d{1,2})(?:[-/.月])(?P<d>\d{1,2})日?" + _TIME)
NUMERIC_DATE = re.compile(r"(?P<a>\d{1,2})(?P<mark>[./-])(?P<b>\d{1,2})(?P=mark)(?P<y>\d{4}|\d{2})" + _TIME)
_DAY_NAME_YEAR = re.compile(
    r"(?P<d>\d{1,2})[\s.-]+(?P<name>[^\W\d_]{3,9})\.?,?[\s-]+(?P<y>\d{4})(?:\s*г\.?)?" + _TIME
)
_NAME_DAY_YEAR = re.compile(r"(?P<name>[^\W\d_]{3,9})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})" + _TIME)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A date with the time that stood behind it; `time` False where there was none."""

    value: datetime
    time: bool


def read_moment(cell: str, style: Style) -> Moment:
    """Read a date with or without a time, as people write it; raises Wrong."""
    text = ascii_digits(cell.strip())
    found = _YEAR_FIRST.fullmatch(text)
    if found:
        return _moment(cell, found, int(found["y"]), int(found["m"]), int(found["d"]), style)
    found = NUMERIC_DATE.fullmatch(text)
    if found:
        first, second = int(found["a"]), int(found["b"])
        day, month = (first, second) if style.order == "dmy" else (second, first)
        return _moment(cell, found, _year(found["y"]), month, day, style)
    found = _DAY_NAME_YEAR.fullmatch(text) or _NAME_DAY_YEAR.fullmatch(text)
    if found:
        named = _MONTHS.get(found["name"][:3].lower())
        if named:
            return _moment(cell, found, int(found["y"]), named, int(found["d"]), style)
    raise Wrong("bad_date", "'{value}' is no date.", value=cell[:40])


def _year(text: str) -> int:
    number = int(text)
    if len(text) == 4:
        return number
    return number + (1900 if number >= 70 else 2000)


def _moment(cell: str, found: re.Match[str], year: int, month: int, day: int, style: Style) -> Moment:
    try:
        if found["hour"] is None:
            return Moment(value=datetime(year, month, day, tzinfo=style.zone), time=False)
        hour = int(found["hour"])
        if found["half"]:
            hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
        fraction = int((found["fraction"] or "0")[:6].ljust(6, "0"))
        value = datetime(
            year, month, day, hour, int(found["minute"]), int(found["second"] or 0), fraction,
            tzinfo=_offset(found["offset"]) or style.zone,
        )  # fmt: skip
    except ValueError:
        raise Wrong(
            "bad_date",
            "There is no date '{value}' (read as {order}).",
            value=cell[:40],
            order="d/m/Y" if style.order == "dmy" else "m/d/Y",
        ) from None
    return Moment(value=value, time=True)


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def parse_date(style: Style) -> Parse:
    """A parser for dates; a time behind the date is not looked at."""

    def parse(cell: str) -> str:
        value = read_moment(cell, style).value
        return date(value.year, value.month, value.day).isoformat()

    return parse


def parse_datetime(style: Style) -> Parse:
    """A parser for moments; one without an offset is in the zone of the style."""

    def parse(cell: str) -> str:
        try:
            return moment_text(read_moment(cell, style).value)
        except OverflowError:
            raise Wrong("bad_date", "'{value}' is no date.", value=cell[:40]) from None

    return parse


def _parse_text(cell: str) -> str:
    return unquote_formula(cell)


def _parse_trimmed(cell: str) -> str:
    return unquote_formula(cell.strip())


def _parse_json(cell: str) -> Any:
    try:
        return orjson.loads(unquote_formula(cell.strip()))
    except orjson.JSONDecodeError:
        raise Wrong("wrong_type", "'{value}' is no JSON value.", value=cell[:40]) from None


def _any_style(parse: Parse) -> Callable[[Style], Parse]:
    return lambda style: parse


_BY_KIND: Mapping[str, Callable[[Style], Parse]] = {
    "id": parse_integer,
    "integer": parse_integer,
    "decimal": parse_decimal,
    "currency": parse_decimal,
    "percent": parse_decimal,
    "boolean": _any_style(parse_boolean),
    "date": parse_date,
    "datetime": parse_datetime,
    "json": _any_style(_parse_json),
    "text": _any_style(_parse_text),
    "long_text": _any_style(_parse_text),
}


def parser_of(kind: str, style: Style) -> Parse:
    """The parser of a kind of field; lookups and choices are resolved elsewhere by the trimmed text."""
    return _BY_KIND.get(kind, _any_style(_parse_trimmed))(style)
