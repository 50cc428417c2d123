"""Totals are exact: rounded half up, once, to the smallest coin, however large the factors."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_price_book.money import line_total, minor_unit, round_money, round_to


def total(quantity: str, price: str, discount: str | None, currency: str) -> str:
    found = line_total(
        Decimal(quantity), Decimal(price), None if discount is None else Decimal(discount), currency
    )
    return str(found)


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("RUB", 2),
        ("CNY", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("IRR", 0),
        ("KWD", 3),
        ("CLF", 3),
    ],
)
def test_each_currency_has_the_decimals_of_its_smallest_coin(currency: str, decimals: int) -> None:
    assert minor_unit(currency) == decimals


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "currency", "expected"),
    [
        ("1", "9.99", None, "EUR", "9.99"),
        ("3", "9.99", "10", "EUR", "26.97"),  # 26.973
        ("1", "0.005", None, "EUR", "0.01"),  # half goes up
        ("1", "0.0049", None, "EUR", "0.00"),
        ("2.5", "0.33", None, "EUR", "0.83"),  # 0.825, where round-half-even would give 0.82
        ("1", "2.675", None, "EUR", "2.68"),  # what a binary float gets wrong
        ("3", "33.5", None, "JPY", "101"),  # 100.5
        ("1", "0.5", None, "IRR", "1"),
        ("3", "1.0005", None, "KWD", "3.002"),  # 3.0015
        ("12", "100", "100", "EUR", "0.00"),
        ("7", "19.99", "33.33", "EUR", "93.29"),  # 93.291...
        ("0.001", "0.0001", None, "KWD", "0.000"),
    ],
)
def test_a_line_is_rounded_half_up_to_the_coin(
    quantity: str, price: str, discount: str | None, currency: str, expected: str
) -> None:
    assert total(quantity, price, discount, currency) == expected


def test_a_total_that_no_field_holds_is_none_and_not_cut() -> None:
    assert line_total(Decimal("999999999999999.999"), Decimal(2), None, "EUR") is None
    assert line_total(Decimal(1), Decimal("99999999999999.9999"), None, "EUR") == Decimal(
        "100000000000000.00"
    )


decimals = st.decimals(min_value=0, max_value=10**14, places=3, allow_nan=False, allow_infinity=False)
percents = st.decimals(min_value=0, max_value=100, places=2, allow_nan=False, allow_infinity=False)


@given(quantity=decimals, price=decimals, discount=percents, currency=st.sampled_from(["EUR", "JPY", "KWD"]))
def test_a_total_is_within_half_a_coin_of_the_true_product(
    quantity: Decimal, price: Decimal, discount: Decimal, currency: str
) -> None:
    found = line_total(quantity, price, discount, currency)
    truth = Fraction(quantity) * Fraction(price) * (100 - Fraction(discount)) / 100
    coin = Fraction(1, 10 ** minor_unit(currency))
    if found is None:
        assert truth >= 10**15 - coin
    else:
        assert -coin / 2 <= truth - Fraction(found) < coin / 2  # half goes up, never down
        assert -found.as_tuple().exponent == minor_unit(currency)


def test_amounts_below_zero_round_away_from_zero() -> None:
    assert round_money(Decimal("-0.005"), "EUR") == Decimal("-0.01")
    assert round_to(Decimal("1.2345"), 3) == Decimal("1.235")
