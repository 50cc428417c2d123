"""The widget `lines` on a deal: its lines with their total, and a form to add and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from karvan_price_book.rows import to_id
from karvan_price_book.terms import read_terms
from karvan_price_book.typed import find_product, read_number
from karvan_sdk import RecordNotFound, Widget, WidgetContext

LINE_FIELDS = (
    "id", "name", "product", "quantity", "unit_price", "discount", "price_source", "total", "total_currency",
)  # fmt: skip
SHOWN = 100
OFFERED = 200


def render_lines(ctx: WidgetContext) -> str:
    """The card. Its total is summed as it is drawn, so it never waits for the worker."""
    deal = deal_of(ctx)
    mine = f"deal = {deal}"
    lines = ctx.records.list(
        "deal_line", filter=mine, fields=LINE_FIELDS, sort=("position", "id"), limit=SHOWN
    )
    sums = ctx.records.aggregate("deal_line", measures=("sum:total",), group=("total_currency",), filter=mine)
    products = ctx.records.list(
        "product", filter="active = true", fields=("id", "name", "sku"), sort=("name",), limit=OFFERED
    )
    terms = read_terms(ctx, [(deal, None)])
    priced = terms.deals.get(deal)
    return ctx.render(
        "lines.html",
        deal=deal,
        lines=lines.rows,
        more=lines.next is not None,
        sums=sums,
        products=products.rows,
        more_products=products.next is not None,
        currency=priced.currency if priced else ctx.currency,
        book=terms.book_of(priced) if priced else None,
    )


def add_line(ctx: WidgetContext, form: Mapping[str, str]) -> str:
    """Add a line from the form; a price left empty comes from the book."""
    given = {
        "quantity": read_number(ctx, ctx.t("Quantity"), form.get("quantity", "")),
        "unit_price": read_number(ctx, ctx.t("Unit price"), form.get("unit_price", "")),
        "discount": read_number(ctx, ctx.t("Discount"), form.get("discount", "")),
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    values |= {"deal": deal_of(ctx), "product": find_product(ctx, form)}
    with ctx.records.write() as writer:
        made = writer.create("deal_line", values)
    return ctx.t("“%(name)s” was added.", name=made["name"])


def remove_line(ctx: WidgetContext, form: Mapping[str, str]) -> str:
    """Put a line of this deal into the trash."""
    given = form.get("line", "")
    id_ = int(given) if given.isdecimal() and len(given) < 19 else 0
    with ctx.records.write() as writer:
        line = writer.records.get("deal_line", id_, fields=("id", "name", "deal"))
        if to_id(line["deal"]) != deal_of(ctx):
            raise RecordNotFound(object="deal_line", id=id_)
        writer.delete("deal_line", id_)
    return ctx.t("“%(name)s” was removed.", name=line["name"])


def deal_of(ctx: WidgetContext) -> int:
    """The id of the deal on whose page the widget stands."""
    assert ctx.record is not None  # the manifest puts it on records only
    return int(ctx.record["id"])


LINES = Widget(id="lines", render=render_lines, actions={"add": add_line, "remove": remove_line})
