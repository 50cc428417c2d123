"""What price books and their rows derive and refuse: a real currency, names that tell rows apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from karvan_price_book.rows import read_by_id
from karvan_sdk import Change, HookContext, Rejected

CODE = re.compile(r"[A-Z]{3}")
NAME_MAX = 255


def prepare_books(ctx: HookContext, event: str, changes: Sequence[Change]) -> Sequence[Change] | None:
    """Currencies in capitals; a new book without one takes the workspace's."""
    if event != "create":
        return None
    return [c.with_values(currency=(c.get("currency") or ctx.currency).strip().upper()) for c in changes]


def check_books(ctx: HookContext, event: str, changes: Sequence[Change]) -> None:
    """Refuse a currency that is no code."""
    refused = [
        Rejected(
            ctx.t(
                "“%(code)s” is no currency code: three letters like EUR are needed.", code=c.get("currency")
            ),
            field="currency",
            index=index,
        )
        for index, c in enumerate(changes)
        if c.changed("currency") and not CODE.fullmatch(c.get("currency") or "")
    ]
    if refused:
        raise Rejected.many(refused)


def prepare_rows(ctx: HookContext, event: str, changes: Sequence[Change]) -> Sequence[Change] | None:
    """Rows with names composed of product, book and quantity: `Pump – Partners – 10+`."""
    if not any(c.changed(name) for c in changes for name in ("product", "book", "min_quantity")):
        return None
    products = _names(ctx, "product", {c.get("product") for c in changes})
    books = _names(ctx, "price_book", {c.get("book") for c in changes})
    return [
        change.with_values(
            name=compose_name(
                products.get(change.get("product"), ""),
                books.get(change.get("book"), ""),
                change.get("min_quantity"),
            )
        )
        for change in changes
    ]


def compose_name(product: str, book: str, min_quantity: Decimal | None) -> str:
    """The name of a row; the quantity stands in it only where it tells something."""
    quantity = "" if min_quantity is None or min_quantity == 1 else f"{plain(min_quantity)}+"
    rest = "".join(f" – {part}" for part in (book, quantity) if part)
    return (product[: max(NAME_MAX - len(rest), 0)] + rest).removeprefix(" – ")[:NAME_MAX]


def plain(number: Decimal) -> str:
    """A number without needless zeros and without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _names(ctx: HookContext, object: str, ids: Iterable[int | None]) -> Mapping[int | None, str]:
    return {row["id"]: row["name"] or "" for row in read_by_id(ctx.records, object, ids, ("id", "name"))}
