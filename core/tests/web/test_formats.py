"""Numbers, money and dates in four languages, and what people type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from karvan.web.formats import LOCALES, Formats, zone_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def formats(language: str, zone: str = "UTC") -> Formats:
    return Formats(language=language, zone=zone_of(zone), now=NOW)


@pytest.mark.parametrize(
    ("language", "shown"),
    [("en", "€1,234.50"), ("ru", "1\u00a0234,50\u00a0€"), ("fa", "۱٬۲۳۴٫۵۰\u00a0€"), ("zh", "€1,234.50")],
)
def test_money_follows_the_language(language: str, shown: str) -> None:
    assert formats(language).money(Decimal("1234.50"), "EUR", 2) == shown


def test_whole_amounts_have_no_decimals() -> None:
    assert formats("en").money(Decimal("48000.00"), "USD", 2) == "$48,000"


def test_an_amount_without_a_currency_is_a_number() -> None:
    assert formats("en").money(Decimal("1.50"), None, 2) == "1.50"


def test_a_number_that_may_be_a_year_has_no_groups() -> None:
    assert (formats("en").whole(1972), formats("en").whole(12000)) == ("1972", "12,000")


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "12.5%"), ("ru", "12,5\u00a0%"), ("fa", "۱۲٫۵٪"), ("zh", "12.5%")]
)
def test_percent_follows_the_language(language: str, shown: str) -> None:
    assert formats(language).percent(Decimal("12.50")) == shown


@pytest.mark.parametrize(("value", "shown"), [("0", "0%"), ("100", "100%"), ("100.0", "100%")])
def test_round_percentages_keep_their_zeros(value: str, shown: str) -> None:
    assert formats("en").percent(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("language", "this_year", "another"),
    [
        ("en", "24 Nov", "5 Jan 2027"),
        ("ru", "24 нояб.", "5 янв. 2027"),
        ("fa", "۳ آذر", "۲۱ شهریور ۱۴۰۴"),
        ("zh", "11月24日", "2027年1月5日"),
    ],
)
def test_a_year_is_shown_only_when_it_is_another(language: str, this_year: str, another: str) -> None:
    other = date(2025, 9, 12) if language == "fa" else date(2027, 1, 5)
    assert formats(language).day(date(2026, 11, 24)) == this_year
    assert formats(language).day(other) == another


def test_the_current_year_is_that_of_the_calendar() -> None:
    assert formats("fa").day(date(2027, 2, 5)) == "۱۶ بهمن"


def test_moments_stand_in_the_zone_of_the_reader() -> None:
    assert formats("en", "Asia/Tehran").moment(datetime(2026, 11, 24, 20, 45, tzinfo=UTC)) == "25 Nov, 00:15"


def test_a_moment_of_today_is_only_a_time() -> None:
    assert formats("fa").moment(datetime(2026, 11, 24, 9, 5, tzinfo=UTC)) == "۰۹:۰۵"


@pytest.mark.parametrize(
    ("language", "typed", "read"),
    [
        ("en", "1,234.50", "1234.50"),
        ("en", " 12 ", "12"),
        ("ru", "1 234,5", "1234.5"),
        ("ru", "12.5", "12.5"),
        ("fa", "۱٬۲۳۴٫۵", "1234.5"),
        ("zh", "-3", "-3"),
        ("en", "many", "many"),
    ],
)
def test_typed_numbers_are_read_by_the_habits_of_the_language(language: str, typed: str, read: str) -> None:
    assert formats(language).read_number(typed) == read


@pytest.mark.parametrize("language", LOCALES)
def test_what_stands_in_an_input_is_read_back_as_it_was(language: str) -> None:
    this = formats(language, "Asia/Tehran")
    at = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
    assert this.read_number(this.plain_number("-1234.50")) == "-1234.50"
    assert this.read_day(this.plain_day(date(2026, 3, 21))) == "2026-03-21"
    assert this.read_moment(this.plain_moment(at)) == "2026-03-20T23:30:00.000000Z"


@pytest.mark.parametrize("typed", ["1405/9/3", "۱۴۰۵/۹/۳", "2026-11-24", "24.11.2026"])
def test_dates_are_read_in_both_calendars(typed: str) -> None:
    assert formats("fa").read_day(typed) == "2026-11-24"


@pytest.mark.parametrize("typed", ["1405/13/1", "2027-02-31", "soon"])
def test_what_is_no_date_stays_as_typed(typed: str) -> None:
    assert formats("en").read_day(typed) == typed
