"""The page `/x/price_book/`: one book with its products and their breaks, as they hold today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from karvan_price_book.prices import Book, Break, standard_book, within
from karvan_price_book.terms import BOOK_FIELDS, local_day, read_rows, to_book
from karvan_sdk import PageContext, Request, Router, literal

PRODUCT_FIELDS = ("id", "name", "sku", "unit", "category", "price", "price_currency")
BOOKS_MAX = 200
PAGE = 50

router = Router()


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One product on the list: its breaks in force, or its list price where the book has none."""

    product: Any
    breaks: tuple[Break, ...]
    list_price: str | None = None


@router.page("/", permission="product:read")
def show_price_list(ctx: PageContext, request: Request) -> str:
    """The price list of the chosen book, else of the standard one."""
    books = [
        to_book(row)
        for row in ctx.records.list(
            "price_book", filter="active = true", fields=BOOK_FIELDS, sort=("name",), limit=BOOKS_MAX
        ).rows
    ]
    today = local_day(ctx)
    book = choose_book(ctx, books, request.query.get("book", ""), today)
    typed = request.query.get("q", "").strip()[:100]
    offers: list[Offer] = []
    following = None
    if book is not None:
        condition = "active = true"
        if typed:
            words = literal(typed)
            condition += f" and (name contains {words} or sku contains {words} or category contains {words})"
        found = ctx.records.list(
            "product",
            filter=condition,
            fields=PRODUCT_FIELDS,
            sort=("name",),
            limit=PAGE,
            after=request.query.get("after") or None,
        )
        offers = make_offers(ctx, book, found.rows, today)
        following = found.next
    address = {"book": book.id, "q": typed} if book is not None else {}
    return ctx.page(
        ctx.t("Price list"),
        "price_list.html",
        books=books,
        book=book,
        typed=typed,
        offers=offers,
        in_force=book is not None and book.holds_on(today),
        first=ctx.url("/") + "?" + urlencode(address) if "after" in request.query else "",
        following=ctx.url("/") + "?" + urlencode({**address, "after": following}) if following else "",
    )


def choose_book(ctx: PageContext, books: Sequence[Book], given: str, today: date) -> Book | None:
    """The book that the address names, else the standard one of the workspace's currency, else the first."""
    named = next((b for b in books if str(b.id) == given), None)
    return named or standard_book(books, ctx.currency, today) or next(iter(books), None)


def make_offers(ctx: PageContext, book: Book, products: Sequence[Any], today: date) -> list[Offer]:
    """The products with what they cost in the book today; all their rows come in one query."""
    rows = read_rows(ctx, [book.id], [p["id"] for p in products])
    return [
        Offer(
            product=product,
            breaks=breaks_on(today, rows.get((book.id, product["id"]), ())),
            list_price=product["price"] if product["price_currency"] == book.currency else None,
        )
        for product in products
    ]


def breaks_on(day: date, rows: Sequence[Break]) -> tuple[Break, ...]:
    """One row per quantity, by the rule that prices are found by, smallest quantity first."""
    holding: dict[Decimal, Break] = {}
    for row in sorted(rows, key=lambda r: (r.valid_from or date.min, r.id)):
        if within(day, row.valid_from, row.valid_to):
            holding[row.min_quantity] = row
    return tuple(holding[quantity] for quantity in sorted(holding))
