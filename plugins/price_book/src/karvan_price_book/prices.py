"""Which price holds: picks a book for a deal and a row for a product, quantity and day. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Book:
    """A price book, as far as the rule needs it."""

    id: int
    name: str
    currency: str
    valid_from: date | None = None
    valid_to: date | None = None
    active: bool = True
    standard: bool = False
    priority: int = 0

    def holds_on(self, day: date) -> bool:
        """Whether its prices may be used on a day; the last day counts."""
        return self.active and within(day, self.valid_from, self.valid_to)


@dataclass(frozen=True, kw_only=True)
class Break:
    """One row of a book: the price of a product from a quantity on."""

    id: int
    book: int
    product: int
    min_quantity: Decimal
    price: Decimal
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product, as far as the rule needs it."""

    id: int
    name: str
    price: Decimal | None = None
    currency: str = ""
    tax_rate: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """The price that holds, and where it comes from: `book` or `list`."""

    price: Decimal
    source: str


class Missing(StrEnum):
    """Why no price holds."""

    BOOK_CURRENCY = "book_currency"
    BOOK_NOT_VALID = "book_not_valid"
    LIST_CURRENCY = "list_currency"
    NO_PRICE = "no_price"


def within(day: date, first: date | None, last: date | None) -> bool:
    """Whether a day lies from `first` to `last`, both included; None leaves that end open."""
    return (first is None or first <= day) and (last is None or day <= last)


def standard_book(books: Iterable[Book], currency: str, day: date) -> Book | None:
    """The standard book for a currency and day: the highest priority wins, of equal ones the oldest."""
    fitting = (b for b in books if b.standard and b.currency == currency and b.holds_on(day))
    return max(fitting, key=lambda b: (b.priority, -b.id), default=None)


def pick_break(rows: Iterable[Break], quantity: Decimal, day: date) -> Break | None:
    """The row with the largest `min_quantity` that the quantity reaches, among those valid on the day.

    Of two rows for one quantity the one that began last wins (it replaces the other), then the newer one.
    """
    fitting = (r for r in rows if r.min_quantity <= quantity and within(day, r.valid_from, r.valid_to))
    return max(fitting, key=lambda r: (r.min_quantity, r.valid_from or date.min, r.id), default=None)


def find_price(
    product: Product, book: Book | None, rows: Iterable[Break], quantity: Decimal, currency: str, day: date
) -> Found | Missing:
    """The price of a product: the row of the book, else the list price, both only in the deal's currency.

    `book` is the one that applies (the deal's own or the standard one), `rows` are the rows of the book for
    the product. A book that is chosen but does not hold on the day is no reason to take another price.
    """
    if book is not None:
        if not book.holds_on(day):
            return Missing.BOOK_NOT_VALID
        if book.currency != currency:
            return Missing.BOOK_CURRENCY
        row = pick_break(rows, quantity, day)
        if row is not None:
            return Found(price=row.price, source="book")
    if product.price is None:
        return Missing.NO_PRICE
    if product.currency != currency:
        return Missing.LIST_CURRENCY
    return Found(price=product.price, source="list")
