"""What a line derives and what it refuses: price, total, position; nothing is guessed, nothing is mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from karvan_price_book.money import line_total
from karvan_price_book.prices import Found, Missing, Product
from karvan_price_book.rows import in_chunks, one_of, to_id
from karvan_price_book.terms import Deal, Terms, read_terms
from karvan_sdk import Change, HookContext, Rejected

WATCHED = ("deal", "product", "quantity", "unit_price", "discount", "total")
"""The fields whose change makes a line be worked out anew."""
TYPED = "typed"


def prepare_lines(ctx: HookContext, event: str, changes: Sequence[Change]) -> Sequence[Change] | None:
    """The lines with their prices, totals and positions; None when nothing of that is touched."""
    touched = {
        index: change
        for index, change in enumerate(changes)
        if event == "create" or any(change.changed(name) for name in WATCHED)
    }
    if not touched:
        return None
    terms = read_terms(ctx, [(c.get("deal"), c.get("product")) for c in touched.values()])
    places = Places(ctx, tuple(touched.values()))
    return [
        prepare_line(terms, change, event, places) if index in touched else change
        for index, change in enumerate(changes)
    ]


class Places:
    """Hands out the next positions on the deals of a batch; asks for the last ones at most once."""

    def __init__(self, ctx: HookContext, changes: Sequence[Change]) -> None:
        self._ctx = ctx
        self._deals = sorted({c.get("deal") for c in changes if c.get("deal") and c.get("position") is None})
        self._last: dict[int, int] | None = None

    def next(self, deal: int) -> int:
        """The next free position on a deal."""
        if self._last is None:
            self._last = self._read()
        self._last[deal] = self._last.get(deal, 0) + 1
        return self._last[deal]

    def _read(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for chunk in in_chunks(self._deals):
            groups = self._ctx.records.aggregate(
                "deal_line", measures=("max:position",), group=("deal",), filter=one_of("deal", chunk)
            )
            found |= {to_id(g["deal"]) or 0: g["max_position"] or 0 for g in groups}
        return found


def prepare_line(terms: Terms, change: Change, event: str, places: Places) -> Change:
    """One line with what follows from its values. A line that gets no price is left without a total."""
    deal = terms.deals.get(change.get("deal") or 0)
    product = terms.products.get(change.get("product") or 0)
    if deal is None:  # out of sight for who acts: nothing can be worked out, so the gate refuses it
        return change.with_values(total=None, total_currency=None)
    found = {**follow_product(change, event, product), **price_line(terms, change, deal, product)}
    if change.get("position") is None:
        found["position"] = places.next(deal.id)
    new = {n: value for n, value in found.items() if n not in change.values or value != change.get(n)}
    return change.with_values(**new) if new else change


def follow_product(change: Change, event: str, product: Product | None) -> Mapping[str, Any]:
    """Tax rate and name of a new product, where no others were given along with it."""
    found: dict[str, Any] = {}
    if product is None:
        return found
    if event == "create":
        if change.get("tax_rate") is None:
            found["tax_rate"] = product.tax_rate
    elif change.changed("product"):
        found |= {
            name: value
            for name, value in (("tax_rate", product.tax_rate), ("name", product.name))
            if name not in change.values and value is not None
        }
    return found


def price_line(terms: Terms, change: Change, deal: Deal, product: Product | None) -> Mapping[str, Any]:
    """Price, its source, total and currency of a line."""
    price, source = decide_price(terms, change, deal, product)
    total = None
    if price is not None and not keeps_foreign_price(change, deal):
        total = line_total(change.get("quantity"), price, change.get("discount"), deal.currency)
    return {
        "unit_price": price,
        "price_source": source,
        "total": total,
        "total_currency": None if total is None else deal.currency,
    }


def decide_price(
    terms: Terms, change: Change, deal: Deal, product: Product | None
) -> tuple[Decimal | None, str | None]:
    """The unit price and where it comes from.

    A typed price stands until it is emptied or the product is another one. A found one follows the product
    and the quantity; where no price is found for a new quantity, the one that was agreed stands.
    """
    typed = change.values.get("unit_price")
    if typed is not None:
        return typed, TYPED
    before, source = change.before.get("unit_price"), change.before.get("price_source")
    kept = before is not None and "unit_price" not in change.values and not change.changed("product")
    moved = is_foreign(change, deal)
    if kept and (source == TYPED or not (moved or change.changed("quantity"))):
        return before, source
    found = terms.price(deal, product, change.get("quantity")) if product else Missing.NO_PRICE
    if isinstance(found, Found):
        return found.price, found.source
    return (before, source) if kept and not moved else (None, None)


def is_foreign(change: Change, deal: Deal) -> bool:
    """Whether the line stood in another currency than the deal that it is on now."""
    currency = change.before.get("total_currency")
    return currency is not None and currency != deal.currency


def keeps_foreign_price(change: Change, deal: Deal) -> bool:
    """Whether a price that was typed in another currency would silently become one of this deal's."""
    return (
        is_foreign(change, deal)
        and change.before.get("price_source") == TYPED
        and change.values.get("unit_price") in (None, change.before.get("unit_price"))
        and not change.changed("product")
        and change.get("unit_price") is not None
    )


# -- refusals --------------------------------------------------------------------------------------------


def check_lines(ctx: HookContext, event: str, changes: Sequence[Change]) -> None:
    """Refuse lines that got no total, with the reason, and lines restored onto a deal of another currency."""
    doubtful = [
        (index, change)
        for index, change in enumerate(changes)
        if event == "restore" or change.get("total") is None
    ]
    if not doubtful:
        return
    terms = read_terms(ctx, [(c.get("deal"), c.get("product")) for _, c in doubtful])
    refused = [
        Rejected(reason, field=field, index=index)
        for index, change in doubtful
        for field, reason in explain(ctx, terms, change, event)
    ]
    if refused:
        raise Rejected.many(refused)


def explain(ctx: HookContext, terms: Terms, change: Change, event: str) -> Iterator[tuple[str, str]]:
    """Why a line is refused: the field to blame and the words."""
    deal = terms.deals.get(change.get("deal") or 0)
    product = terms.products.get(change.get("product") or 0)
    if event == "restore":
        if deal is not None and is_foreign(change, deal):
            yield "deal", foreign_words(ctx, change, deal)
        return
    if deal is None or (product is None and change.get("unit_price") is None):
        yield "product", ctx.t("The line cannot be priced: its deal or its product cannot be read.")
    elif product is None or change.get("unit_price") is not None:
        if is_foreign(change, deal):
            yield "unit_price", foreign_words(ctx, change, deal)
        else:
            yield "quantity", ctx.t("Quantity times price is more than a total can hold.")
    else:
        why = terms.price(deal, product, change.get("quantity"))
        yield "unit_price", missing_words(ctx, terms, deal, product, why)


def foreign_words(ctx: HookContext, change: Change, deal: Deal) -> str:
    """That a line of one currency cannot stand on a deal of another."""
    return ctx.t(
        "The line is in %(line)s, the deal “%(deal)s” in %(currency)s. Give the price in %(currency)s.",
        line=change.before.get("total_currency"), deal=deal.name, currency=deal.currency,
    )  # fmt: skip


def missing_words(ctx: HookContext, terms: Terms, deal: Deal, product: Product, why: Found | Missing) -> str:
    """Why no price was found, naming the product and the book, and what to do."""
    book = terms.book_of(deal)
    names = {
        "product": product.name,
        "book": book.name if book else f"#{deal.book}",
        "currency": deal.currency,
        "other": book.currency if book and why is Missing.BOOK_CURRENCY else product.currency,
    }
    match why:
        case Missing.BOOK_NOT_VALID:
            return ctx.t(
                "“%(product)s” has no price: the price book “%(book)s” is not in force on that day. "
                "Choose another book or type a price.",
                **names,
            )
        case Missing.BOOK_CURRENCY:
            return ctx.t(
                "“%(product)s” has no price: the price book “%(book)s” is in %(other)s, the deal in "
                "%(currency)s. Choose another book or type a price.",
                **names,
            )
        case Missing.LIST_CURRENCY if book is not None:
            return ctx.t(
                "“%(product)s” has no price in the price book “%(book)s”, and its list price is in "
                "%(other)s, not in %(currency)s. Type a price.",
                **names,
            )
        case Missing.LIST_CURRENCY:
            return ctx.t(
                "“%(product)s” has no price in %(currency)s: there is no standard price book for it, and the "
                "list price is in %(other)s. Type a price.",
                **names,
            )
        case Missing.NO_PRICE if book is not None:
            return ctx.t(
                "“%(product)s” has neither a price for this quantity in the price book “%(book)s” nor a list "
                "price. Type a price.",
                **names,
            )
        case Missing.NO_PRICE:
            return ctx.t(
                "“%(product)s” has no list price, and there is no standard price book in %(currency)s. "
                "Type a price.",
                **names,
            )
        case _:
            return ctx.t("The price of “%(product)s” could not be worked out. Save again.", **names)
