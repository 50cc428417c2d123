"""Whatever way a number is written, it becomes one E.164 number, or none."""

from __future__ import annotations

import pytest

from karvan_telephony.numbers import in_digits_of, is_country, plain, readable, to_e164


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("030 123456", "DE", "+4930123456"),
        ("(030) 12 34-56", "DE", "+4930123456"),
        ("+49 30 123456", "RU", "+4930123456"),
        ("0049 30 123456", "DE", "+4930123456"),
        ("+49 30 123456 ext. 12", "DE", "+4930123456"),
        ("tel:+49-30-123456", "DE", "+4930123456"),
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("+7 916 123-45-67", "DE", "+79161234567"),
        ("74955404444", "RU", "+74955404444"),
        ("74955404444", "DE", "+74955404444"),
        ("۰۲۱ ۵۵۵۰ ۰۱۹۹", "IR", "+982155500199"),
        ("٠٣٠ ١٢٣٤٥٦", "DE", "+4930123456"),
        ("＋４９３０１２３４５６", "CN", "+4930123456"),
        ("+۹۸ ۲۱ ۵۵۵۰ ۰۱۹۹", "DE", "+982155500199"),
        ("\u202a+49 30 123456\u202c", "DE", "+4930123456"),
        ("+1 (212) 555-0123", "DE", "+12125550123"),
    ],
)
def test_a_number_is_read_in_any_script_and_form(text: str, country: str, number: str) -> None:
    assert to_e164(text, country) == number


@pytest.mark.parametrize("text", [None, "", " ", "anonymous", "<unknown>", "101", "1010", "112", "+12", "+"])
def test_what_belongs_to_no_country_gives_no_number(text: str | None) -> None:
    assert to_e164(text, "DE") is None


def test_a_number_with_its_country_code_needs_no_country_setting() -> None:
    assert to_e164("+49 30 123456", "") == "+4930123456"
    assert to_e164("030 123456", "") is None
    assert to_e164("030 123456", "XX") is None


def test_the_same_local_number_belongs_to_the_country_of_the_setting() -> None:
    assert {to_e164("021 5550 0199", c) for c in ("IR", "CN")} == {"+982155500199", "+862155500199"}


def test_digits_of_every_script_are_the_same_digits() -> None:
    assert {plain(t) for t in ("0123", "۰۱۲۳", "٠١٢٣", "０１２３")} == {"0123"}


def test_a_number_is_shown_in_the_groups_of_its_country() -> None:
    assert readable("+4930123456") == "+49 30 123456"
    assert readable("no number") == "no number"
    assert in_digits_of("fa", "+49 30 123456") == "+۴۹ ۳۰ ۱۲۳۴۵۶"
    assert in_digits_of("zh", "+49 30") == "+49 30"


def test_only_two_capital_letters_that_have_numbers_are_a_country() -> None:
    assert [c for c in ("DE", "IR", "de", "XX", "") if is_country(c)] == ["DE", "IR"]
