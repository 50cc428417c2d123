"""What a batch of lines is priced by: deals, products, books and their rows, one query per kind of thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from karvan_price_book.prices import Book, Break, Found, Missing, Product, find_price, standard_book
from karvan_price_book.rows import in_chunks, one_of, read_by_id, to_date, to_decimal, to_id, to_moment
from karvan_sdk import HookContext

DEAL_FIELDS = ("id", "name", "amount_currency", "closed_at", "price_book__book")
BOOK_FIELDS = ("id", "name", "currency", "valid_from", "valid_to", "active", "standard", "priority")
PRODUCT_FIELDS = ("id", "name", "price", "price_currency", "tax_rate")
BREAK_FIELDS = ("id", "book", "product", "min_quantity", "price", "valid_from", "valid_to")


@dataclass(frozen=True, kw_only=True)
class Deal:
    """A deal, as far as pricing needs it: `book` is the one it names, the prices of `day` hold."""

    id: int
    name: str
    currency: str
    book: int | None
    day: date


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All that prices of one batch hang on; made by `read_terms`."""

    deals: Mapping[int, Deal]
    products: Mapping[int, Product]
    books: Mapping[int, Book]
    rows: Mapping[tuple[int, int], Sequence[Break]] = field(default_factory=dict)

    def book_of(self, deal: Deal) -> Book | None:
        """The book that a deal is priced by: its own, else the standard one of its currency and day."""
        if deal.book is not None:
            return self.books.get(deal.book)
        return standard_book(self.books.values(), deal.currency, deal.day)

    def price(self, deal: Deal, product: Product, quantity: Decimal) -> Found | Missing:
        """The price of a product on a deal."""
        book = self.book_of(deal)
        if deal.book is not None and book is None:  # out of sight: no reason to take another price
            return Missing.BOOK_NOT_VALID
        rows = self.rows.get((book.id, product.id), ()) if book else ()
        return find_price(product, book, rows, quantity, deal.currency, deal.day)


def read_terms(ctx: HookContext, pairs: Iterable[tuple[int | None, int | None]]) -> Terms:
    """The terms for pairs of deal and product ids."""
    wanted = tuple(pairs)
    raw = {d["id"]: d for d in read_by_id(ctx.records, "deal", (d for d, _ in wanted), DEAL_FIELDS)}
    books = read_books(ctx, {to_id(d["price_book__book"]) for d in raw.values()})
    deals = read_deals(ctx, raw, books)
    products = read_products(ctx, (p for _, p in wanted))
    terms = Terms(deals=deals, products=products, books=books)
    used = {b.id for b in map(terms.book_of, deals.values()) if b is not None}
    return Terms(deals=deals, products=products, books=books, rows=read_rows(ctx, used, tuple(products)))


def read_deals(
    ctx: HookContext, raw: Mapping[int, Mapping[str, Any]], books: Mapping[int, Book]
) -> dict[int, Deal]:
    """The deals with their currencies and days."""
    undecided = [i for i, d in raw.items() if not d["amount_currency"] and d["price_book__book"] is None]
    of_lines = line_currencies(ctx, undecided)
    today = local_day(ctx)
    deals = {}
    for id_, found in raw.items():
        book = books.get(to_id(found["price_book__book"]) or 0)
        closed_at = to_moment(found["closed_at"])
        deals[id_] = Deal(
            id=id_,
            name=found["name"] or "",
            currency=deal_currency(ctx, found["amount_currency"], book, of_lines.get(id_, ())),
            book=to_id(found["price_book__book"]),
            day=closed_at.astimezone(ZoneInfo(ctx.timezone)).date() if closed_at else today,
        )
    return deals


def deal_currency(
    ctx: HookContext, amount_currency: str | None, book: Book | None, of_lines: Sequence[str]
) -> str:
    """The currency of a deal: that of its amount, else its book's, its lines', the workspace's."""
    return amount_currency or (book.currency if book else "") or next(iter(of_lines), "") or ctx.currency


def line_currencies(ctx: HookContext, deals: Sequence[int]) -> dict[int, list[str]]:
    """The currencies that stand on the lines of each deal: one, or none."""
    found: dict[int, list[str]] = {}
    for chunk in in_chunks(sorted(deals)):
        groups = ctx.records.aggregate(
            "deal_line", measures=("count",), group=("deal", "total_currency"), filter=one_of("deal", chunk)
        )
        for group in groups:
            deal = to_id(group["deal"])
            if deal is not None and group["total_currency"]:
                found.setdefault(deal, []).append(group["total_currency"])
    return found


def read_books(ctx: HookContext, named: Iterable[int | None]) -> dict[int, Book]:
    """The books with these ids and all that are standard."""
    ids = sorted({i for i in named if i is not None})
    chunks = list(in_chunks(ids)) or [()]
    found: dict[int, Book] = {}
    for chunk in chunks:
        condition = "standard = true and active = true"
        if chunk:
            condition = f"{one_of('id', chunk)} or ({condition})"
        for row in ctx.records.each("price_book", filter=condition, fields=BOOK_FIELDS):
            found[row["id"]] = to_book(row)
    return found


def to_book(row: Mapping[str, Any]) -> Book:
    """A book from its record."""
    return Book(
        id=row["id"],
        name=row["name"],
        currency=row["currency"] or "",
        valid_from=to_date(row["valid_from"]),
        valid_to=to_date(row["valid_to"]),
        active=bool(row["active"]),
        standard=bool(row["standard"]),
        priority=row["priority"] or 0,
    )


def read_products(ctx: HookContext, ids: Iterable[int | None]) -> dict[int, Product]:
    """The products with these ids."""
    return {
        row["id"]: Product(
            id=row["id"],
            name=row["name"] or "",
            price=to_decimal(row["price"]),
            currency=row["price_currency"] or "",
            tax_rate=to_decimal(row["tax_rate"]),
        )
        for row in read_by_id(ctx.records, "product", ids, PRODUCT_FIELDS)
    }


def read_rows(
    ctx: HookContext, books: Iterable[int], products: Sequence[int]
) -> dict[tuple[int, int], list[Break]]:
    """The rows of these books for these products, by book and product."""
    found: dict[tuple[int, int], list[Break]] = {}
    wanted = sorted(books)
    for book_ids in in_chunks(wanted, 40):
        for product_ids in in_chunks(sorted(products)):
            condition = f"{one_of('book', book_ids)} and {one_of('product', product_ids)}"
            for row in ctx.records.each("book_price", filter=condition, fields=BREAK_FIELDS):
                made = to_break(row)
                found.setdefault((made.book, made.product), []).append(made)
    return found


def to_break(row: Mapping[str, Any]) -> Break:
    """A row of a book from its record."""
    return Break(
        id=row["id"],
        book=to_id(row["book"]) or 0,
        product=to_id(row["product"]) or 0,
        min_quantity=to_decimal(row["min_quantity"]) or Decimal(1),
        price=to_decimal(row["price"]) or Decimal(0),
        valid_from=to_date(row["valid_from"]),
        valid_to=to_date(row["valid_to"]),
    )


def local_day(ctx: HookContext) -> date:
    """Today in the workspace's time zone."""
    return ctx.now.astimezone(ZoneInfo(ctx.timezone)).date()
