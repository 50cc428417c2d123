"""What a deal may not do while it has lines: change to a currency or a book that its lines are not in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from karvan_price_book.prices import Book
from karvan_price_book.terms import line_currencies, read_books
from karvan_sdk import Change, HookContext, Rejected

WATCHED = ("amount_currency", "price_book__book")


def check_deals(ctx: HookContext, event: str, changes: Sequence[Change]) -> None:
    """Refuse a book in another currency than the deal, and another currency than that of its lines."""
    touched = [(i, c) for i, c in enumerate(changes) if any(c.changed(name) for name in WATCHED)]
    if not touched:
        return
    named = {c.get("price_book__book") for _, c in touched} - {None}
    books = read_books(ctx, named) if named else {}
    of_lines = line_currencies(ctx, [c.id for _, c in touched if c.id is not None])
    refused = [
        Rejected(reason, field=field, index=index)
        for index, change in touched
        for field, reason in find_clashes(ctx, change, books, of_lines.get(change.id or 0, ()))
    ]
    if refused:
        raise Rejected.many(refused)


def find_clashes(
    ctx: HookContext, change: Change, books: Mapping[int, Book], of_lines: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The currencies that would stand side by side on one deal: field to blame and words."""
    own = change.get("amount_currency")
    book = books.get(change.get("price_book__book") or 0)
    if own and book and book.currency != own:
        yield (
            "price_book__book",
            ctx.t(
                "The prices of “%(book)s” are in %(other)s, the amount of the deal is in %(currency)s.",
                book=book.name, other=book.currency, currency=own,
            ),
        )  # fmt: skip
        return
    currency = own or (book.currency if book else None)
    other = next((c for c in of_lines if c != currency), None)
    if currency and other:
        field = "amount" if change.changed("amount_currency") else "price_book__book"
        yield (
            field,
            ctx.t(
                "The lines of the deal are in %(other)s, so it cannot change to %(currency)s. "
                "Remove the lines first.",
                other=other, currency=currency,
            ),
        )  # fmt: skip
