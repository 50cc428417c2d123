"""Which price holds: breaks, days, books, and why there is none."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from karvan_price_book.prices import (
    Book,
    Break,
    Found,
    Missing,
    Product,
    find_price,
    pick_break,
    standard_book,
)
from karvan_price_book.terms import Deal, Terms

DAY = date(2026, 6, 15)
PUMP = Product(id=1, name="Pump", price=Decimal("9.99"), currency="EUR")


def row(min_quantity: str, price: str, first: str = "", last: str = "", id: int = 1) -> Break:
    return Break(
        id=id, book=1, product=1, min_quantity=Decimal(min_quantity), price=Decimal(price),
        valid_from=date.fromisoformat(first) if first else None,
        valid_to=date.fromisoformat(last) if last else None,
    )  # fmt: skip


def book(id: int = 1, currency: str = "EUR", **more: object) -> Book:
    return Book(id=id, name=f"Book {id}", currency=currency, **more)  # type: ignore[arg-type]


BREAKS = (row("1", "10"), row("10", "9"), row("100", "7.5"))


@pytest.mark.parametrize(
    ("quantity", "price"),
    [("1", "10"), ("9.999", "10"), ("10", "9"), ("99", "9"), ("100", "7.5"), ("5000", "7.5")],
)
def test_the_largest_quantity_that_is_reached_gives_the_price(quantity: str, price: str) -> None:
    found = pick_break(BREAKS, Decimal(quantity), DAY)
    assert found is not None
    assert found.price == Decimal(price)


def test_below_the_smallest_quantity_no_row_holds() -> None:
    assert pick_break(BREAKS, Decimal("0.5"), DAY) is None


@pytest.mark.parametrize(
    ("day", "holds"),
    [("2026-05-31", False), ("2026-06-01", True), ("2026-06-30", True), ("2026-07-01", False)],
    ids=["the day before", "the first day", "the last day", "the day after"],
)
def test_a_row_holds_from_its_first_to_its_last_day_inclusive(day: str, holds: bool) -> None:
    rows = (row("1", "5", first="2026-06-01", last="2026-06-30"),)
    assert (pick_break(rows, Decimal(1), date.fromisoformat(day)) is not None) is holds


def test_of_two_rows_for_one_quantity_the_one_that_began_last_holds() -> None:
    rows = (
        row("1", "10", id=9),
        row("1", "11", first="2026-01-01", id=2),
        row("1", "12", first="2026-06-01", id=1),
    )
    found = pick_break(rows, Decimal(1), DAY)
    assert found is not None
    assert found.price == Decimal(12)


def test_a_break_beats_a_newer_row_of_a_smaller_quantity() -> None:
    rows = (row("1", "10", first="2026-06-01", id=5), row("10", "9", id=1))
    found = pick_break(rows, Decimal(10), DAY)
    assert found is not None
    assert found.price == Decimal(9)


def test_the_standard_book_is_the_one_of_the_currency_with_the_highest_priority() -> None:
    books = (
        book(1, standard=True),
        book(2, standard=True, priority=5),
        book(3, standard=True, priority=9, currency="USD"),
        book(4, standard=True, priority=9, active=False),
        book(5, standard=True, priority=9, valid_to=date(2026, 6, 14)),
        book(6, priority=99),
    )
    chosen = standard_book(books, "EUR", DAY)
    assert chosen is not None
    assert chosen.id == 2
    assert standard_book(books, "CNY", DAY) is None


def test_the_row_of_the_book_beats_the_list_price() -> None:
    found = find_price(PUMP, book(), BREAKS, Decimal(10), "EUR", DAY)
    assert found == Found(price=Decimal(9), source="book")


@pytest.mark.parametrize("chosen", [None, book()], ids=["no book", "a book without rows"])
def test_without_a_row_the_list_price_holds(chosen: Book | None) -> None:
    assert find_price(PUMP, chosen, (), Decimal(1), "EUR", DAY) == Found(price=Decimal("9.99"), source="list")


@pytest.mark.parametrize(
    ("product", "chosen", "currency", "why"),
    [
        (PUMP, book(currency="USD"), "EUR", Missing.BOOK_CURRENCY),
        (PUMP, book(active=False), "EUR", Missing.BOOK_NOT_VALID),
        (PUMP, book(valid_from=date(2026, 7, 1)), "EUR", Missing.BOOK_NOT_VALID),
        (PUMP, None, "USD", Missing.LIST_CURRENCY),
        (Product(id=1, name="Pump"), book(), "EUR", Missing.NO_PRICE),
    ],
    ids=["book in another currency", "book off", "book not yet valid", "list price elsewhere", "no price"],
)
def test_no_price_is_taken_from_elsewhere(
    product: Product, chosen: Book | None, currency: str, why: Missing
) -> None:
    assert find_price(product, chosen, (), Decimal(1), currency, DAY) is why


def test_a_book_out_of_sight_is_no_reason_to_take_the_list_price() -> None:
    deal = Deal(id=1, name="Deal", currency="EUR", book=7, day=DAY)
    terms = Terms(deals={1: deal}, products={1: PUMP}, books={})
    assert terms.price(deal, PUMP, Decimal(1)) is Missing.BOOK_NOT_VALID
