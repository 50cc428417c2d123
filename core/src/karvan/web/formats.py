"""How values look in a language: digits, numbers, money, dates and moments. Knows nothing of pages.

Persian shows Persian digits and the Jalali calendar; what is stored stays ISO and UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jdatetime
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision, get_currency_symbol

LOCALES = {"en": "en_US", "ru": "ru_RU", "fa": "fa_IR", "zh": "zh_CN"}
"""Always with the territory: without it the first day of the week and the weekend are wrong."""

LANGUAGE_NAMES = {"en": "English", "ru": "Русский", "fa": "فارسی", "zh": "中文"}
RIGHT_TO_LEFT = frozenset({"fa"})
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_PERSIAN_NUMBER = str.maketrans("0123456789,.", "۰۱۲۳۴۵۶۷۸۹٬٫")
_ASCII = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫", "01234567890123456789.")
_SPACES = str.maketrans("", "", "\u00a0\u202f\u2009 '٬")
_MONTHS = (
    "فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور",
    "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند",
)  # fmt: skip
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
JALALI_YEARS = range(1200, 1600)


def to_ascii(text: str) -> str:
    """Persian and Arabic digits and the Persian decimal mark as ASCII."""
    return text.translate(_ASCII)


def zone_of(name: str) -> ZoneInfo:
    """The zone of this IANA name, or UTC where there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


@dataclass(frozen=True, kw_only=True)
class Formats:
    """One language and zone. `now` decides whether a year is worth showing."""

    language: str
    zone: ZoneInfo
    now: datetime

    @cached_property
    def locale(self) -> Locale:
        """The locale with its territory."""
        return Locale.parse(LOCALES[self.language])

    @property
    def direction(self) -> str:
        """The `dir` of the page."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    @cached_property
    def _year(self) -> int:
        today = self.now.astimezone(self.zone).date()
        return jdatetime.date.fromgregorian(date=today).year if self.language == "fa" else today.year

    def digits(self, text: str) -> str:
        """The text with the digits of the language."""
        return text.translate(_PERSIAN) if self.language == "fa" else text

    def number(self, value: int | Decimal, scale: int = 0) -> str:
        """A number with its groups and exactly `scale` decimals."""
        found = _number(self.locale, value, scale)
        return found.translate(_PERSIAN_NUMBER) if self.language == "fa" else found

    def whole(self, value: int) -> str:
        """A whole number that may be a year or a code: groups only from five digits on."""
        return self.number(value) if abs(value) > 9999 else self.digits(str(value))

    def money(self, value: Decimal, code: str | None, scale: int) -> str:
        """An amount with its currency; whole amounts stand without decimals.

        Others have the digits of their currency, or more where the value has more; without a currency
        `scale`.
        """
        whole = value == value.to_integral_value()
        if not code:
            return self.number(value, 0 if whole else scale)
        needed = -int(value.normalize().as_tuple().exponent)
        decimals = 0 if whole else max(needed, get_currency_precision(code))
        if self.language == "fa":
            return f"{self.number(value, decimals)}\u00a0{get_currency_symbol(code, self.locale)}"
        return _money(self.locale, value, code, decimals)

    def percent(self, value: Decimal) -> str:
        """A percentage: 12.5 means 12.5 %."""
        short = value.normalize()
        decimals = max(0, -int(short.as_tuple().exponent)) if short else 0
        sign = {"ru": "\u00a0%", "fa": "٪"}.get(self.language, "%")
        return self.number(value, decimals) + sign

    def day(self, value: date) -> str:
        """A date; the year only where it differs from the current one of that calendar."""
        if self.language == "fa":
            try:
                jalali = jdatetime.date.fromgregorian(date=value)
            except ValueError:  # before the first year of the calendar
                return self.digits(value.isoformat())
            year = "" if jalali.year == self._year else f" {jalali.year}"
            return self.digits(f"{jalali.day} {_MONTHS[jalali.month - 1]}{year}")
        form = "short" if value.year == self._year else "long"
        return format_date(value, _DAY_PATTERNS[self.language][form], locale=self.locale)

    def moment(self, value: datetime) -> str:
        """A moment in the zone: today only the time, else the date and the time."""
        local = value.astimezone(self.zone)
        clock = self.digits(format_time(local, "HH:mm", locale=self.locale))
        if local.date() == self.now.astimezone(self.zone).date():
            return clock
        return (
            f"{self.day(local.date())}، {clock}"
            if self.language == "fa"
            else f"{self.day(local.date())}, {clock}"
        )

    def full_moment(self, value: datetime) -> str:
        """A moment in the zone with everything, for the title of a short one."""
        local = value.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"

    # -- what people type ------------------------------------------------------------------------------

    def plain_number(self, text: str) -> str:
        """A number ("1054.00") as it stands in an input: no groups, the decimal mark of the language."""
        return self.digits(
            text.replace(".", ",")
            if self.language == "ru"
            else text.replace(".", "٫")
            if self.language == "fa"
            else text
        )

    def read_number(self, text: str) -> str:
        """A typed number as the API wants it, or the text as it is where it is no number."""
        found = to_ascii(text).translate(_SPACES).replace("\u2212", "-")
        comma_is_point = self.language == "ru" and "." not in found and found.count(",") == 1
        found = found.replace(",", "." if comma_is_point else "")
        try:
            Decimal(found)
        except InvalidOperation:
            return text.strip()
        return found

    def plain_day(self, value: date) -> str:
        """A date as it stands in an input: ISO, in Persian Jalali with slashes."""
        if self.language == "fa":
            jalali = jdatetime.date.fromgregorian(date=value)
            return self.digits(f"{jalali.year}/{jalali.month:02}/{jalali.day:02}")
        return value.isoformat()

    def read_day(self, text: str) -> str:
        """A typed date as ISO, or the text as it is; years from 1200 to 1599 are Jalali."""
        given = to_ascii(text).strip()
        found = _YEAR_FIRST.fullmatch(given)
        if found:
            year, month, day = (int(part) for part in found.groups())
        elif turned := _DAY_FIRST.fullmatch(given):
            day, month, year = (int(part) for part in turned.groups())
        else:
            return text.strip()
        try:
            if year in JALALI_YEARS:
                made: date = jdatetime.date(year, month, day).togregorian()
                return made.isoformat()
            return date(year, month, day).isoformat()
        except ValueError:
            return text.strip()

    def plain_moment(self, value: datetime) -> str:
        """A moment as it stands in an input, in the zone, to the minute."""
        local = value.astimezone(self.zone)
        if self.language == "fa":
            return f"{self.plain_day(local.date())} {self.digits(f'{local:%H:%M}')}"
        return f"{local:%Y-%m-%dT%H:%M}"

    def read_moment(self, text: str) -> str:
        """A typed moment of the zone as the API wants it, or the text as it is."""
        given = to_ascii(text).strip().replace("T", " ")
        day_text, _, clock = given.partition(" ")
        day = self.read_day(day_text)
        try:
            at = time.fromisoformat(clock.strip() or "00:00")
            local = datetime.combine(date.fromisoformat(day), at, self.zone)
        except ValueError:
            return text.strip()
        return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_DAY_PATTERNS = {
    "en": {"short": "d MMM", "long": "d MMM y"},
    "ru": {"short": "d MMM", "long": "d MMM y"},
    "zh": {"short": "M月d日", "long": "y年M月d日"},
}


@lru_cache(maxsize=4096)
def _number(locale: Locale, value: int | Decimal, scale: int) -> str:
    pattern = "#,##0" + ("." + "0" * scale if scale else "")
    return format_decimal(value, pattern, locale=locale)


@lru_cache(maxsize=4096)
def _money(locale: Locale, value: Decimal, code: str, decimals: int) -> str:
    number = "#,##0" + ("." + "0" * decimals if decimals else "")
    pattern = f"{number}\u00a0¤" if locale.language == "ru" else f"¤{number}"
    return format_currency(value, code, pattern, locale=locale, currency_digits=False)
