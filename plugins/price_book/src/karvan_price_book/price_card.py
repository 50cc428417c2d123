"""The widget `prices` on a product: what it costs, by book and quantity."""

from __future__ import annotations

from dataclasses import dataclass

from karvan_price_book.prices import Book, Break, within
from karvan_price_book.rows import read_by_id
from karvan_price_book.terms import BOOK_FIELDS, BREAK_FIELDS, local_day, to_book, to_break
from karvan_sdk import Widget, WidgetContext

SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One book with its rows for the product; each row with whether it is in force today."""

    book: Book
    in_force: bool
    rows: tuple[tuple[Break, bool], ...]


def render_prices(ctx: WidgetContext) -> str:
    """The card: the list price, then each book with its breaks."""
    assert ctx.record is not None  # the manifest puts it on records only
    found = ctx.records.list(
        "book_price",
        filter=f"product = {int(ctx.record['id'])}",
        fields=BREAK_FIELDS,
        sort=("min_quantity", "id"),
        limit=SHOWN,
    )
    return ctx.render(
        "prices.html",
        product=ctx.record,
        shelves=arrange_shelves(ctx, [to_break(row) for row in found.rows]),
        more=found.next is not None,
    )


def arrange_shelves(ctx: WidgetContext, rows: list[Break]) -> list[Shelf]:
    """The rows by book: books in force first, then by name."""
    today = local_day(ctx)
    books = [to_book(b) for b in read_by_id(ctx.records, "price_book", {r.book for r in rows}, BOOK_FIELDS)]
    shelves = [
        Shelf(
            book=book,
            in_force=book.holds_on(today),
            rows=tuple((r, within(today, r.valid_from, r.valid_to)) for r in rows if r.book == book.id),
        )
        for book in books
    ]
    return sorted(shelves, key=lambda s: (not s.in_force, s.book.name))


PRICES = Widget(id="prices", render=render_prices)
