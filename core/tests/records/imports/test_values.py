"""Cells become values as people write them, in the languages of the interface."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan.metadata.kinds import Wrong
from karvan.records.imports.values import (
    Style,
    parse_boolean,
    parse_date,
    parse_datetime,
    parse_integer,
    quote_formula,
    read_number,
    unquote_formula,
)


@pytest.mark.parametrize(
    ("cell", "decimal", "text", "currency"),
    [
        ("1054", ".", "1054", ""),
        ("$22,700.00", ".", "22700.00", "USD"),
        ("1 234,50 ₽", ",", "1234.50", "RUB"),
        ("1\u00a0234,50\u00a0руб.", ",", "1234.50", "RUB"),
        ("1.234,5 €", ",", "1234.5", "EUR"),
        ("EUR 12.5", ".", "12.5", "EUR"),
        ("(1,200.00)", ".", "-1200.00", ""),
        ("-$5", ".", "-5", "USD"),
        ("\u22127", ".", "-7", ""),
        ("۱۲۳٬۴۵۶٫۷", ".", "123456.7", ""),
        ("1'000.5", ".", "1000.5", ""),
        (".5", ".", "0.5", ""),
        ("10,00,000", ".", "1000000", ""),
    ],
)
def test_numbers_are_read_as_people_write_them(cell: str, decimal: str, text: str, currency: str) -> None:
    number = read_number(cell, decimal)
    assert (number.text, number.currency) == (text, currency)


@pytest.mark.parametrize(
    "cell", ["", "abc", "1,23.4", "1..2", "12 34", "GTX 500", "1e5", "--1", "$1€", "1 2345"]
)
def test_what_is_no_number_is_refused(cell: str) -> None:
    with pytest.raises(Wrong):
        read_number(cell)


def test_a_whole_number_may_have_empty_decimals() -> None:
    parse = parse_integer(Style())
    assert parse("1,200.00") == 1200
    with pytest.raises(Wrong, match="no whole number"):
        parse("12.5")


@pytest.mark.parametrize("cell", ["1", "Yes", "TRUE", "Да", "بله", "是"])
def test_yes_in_every_language(cell: str) -> None:
    assert parse_boolean(cell) is True


@pytest.mark.parametrize("cell", ["0", "no", "False", "нет", "خیر", "否"])
def test_no_in_every_language(cell: str) -> None:
    assert parse_boolean(cell) is False


@pytest.mark.parametrize(
    ("cell", "order", "date"),
    [
        ("2016-10-20", "mdy", "2016-10-20"),
        ("10/20/2016", "mdy", "2016-10-20"),
        ("20/10/2016", "dmy", "2016-10-20"),
        ("20.10.2016", "dmy", "2016-10-20"),
        ("3/1/17", "mdy", "2017-03-01"),
        ("2016/1/5", "mdy", "2016-01-05"),
        ("2016年1月5日", "mdy", "2016-01-05"),
        ("15 Apr, 2021 00:02:00", "mdy", "2021-04-15"),
        ("15 апреля 2021 г.", "mdy", "2021-04-15"),
        ("April 15, 2021", "mdy", "2021-04-15"),
        ("1996-07-04 00:00:00.000", "mdy", "1996-07-04"),
        ("۲۰۲۱-۰۴-۱۵", "mdy", "2021-04-15"),
    ],
)
def test_dates_are_read_as_people_write_them(cell: str, order: str, date: str) -> None:
    assert parse_date(Style(order="dmy" if order == "dmy" else "mdy"))(cell) == date


@pytest.mark.parametrize("cell", ["31/02/2016", "2016-13-01", "tomorrow", "12", "32 Apr 2020"])
def test_what_is_no_date_is_refused(cell: str) -> None:
    with pytest.raises(Wrong):
        parse_date(Style(order="dmy"))(cell)


def test_a_moment_without_offset_is_in_the_zone_of_the_style() -> None:
    parse = parse_datetime(Style(zone=ZoneInfo("Asia/Tehran")))
    assert parse("2026-03-31 13:30") == "2026-03-31T10:00:00.000000Z"
    assert parse("2026-03-31T13:30:00+01:00") == "2026-03-31T12:30:00.000000Z"
    assert parse("3/31/2026 1:30 PM") == "2026-03-31T10:00:00.000000Z"


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-5", "@SUM(A1)", "\tx", "\rx", "＝1", "'=1", "NULL"])
def test_what_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert quote_formula(text) == f"'{text}"
    assert unquote_formula(quote_formula(text)) == text


@given(st.text(alphabet="'=+-@\t\rNUL a1"))
def test_quoting_can_always_be_undone(text: str) -> None:
    assert unquote_formula(quote_formula(text)) == text
