"""Numbers and products as people type them into a form, in the language that they read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from karvan_sdk import BadInput, HookContext, literal

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫−", "01234567890123456789.-")
_GROUPS = str.maketrans("", "", " \u00a0\u202f\u2009'٬%٪")
PRODUCT_FIELDS = ("id", "name")
CLOSE_MATCHES = 3


def read_number(ctx: HookContext, label: str, text: str) -> str | None:
    """A typed number in JSON form, None when nothing was typed; raises BadInput that quotes the text.

    In Russian a single comma is the decimal mark; elsewhere commas part the thousands.
    """
    found = text.strip().translate(_DIGITS).translate(_GROUPS)
    if not found:
        return None
    decimal_comma = ctx.language == "ru" and "." not in found and found.count(",") == 1
    found = found.replace(",", "." if decimal_comma else "")
    try:
        number = Decimal(found)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(found) > 40:
        raise BadInput(
            ctx.t("%(label)s: “%(given)s” is no number.", label=label, given=text.strip()[:40]),
            field="number",
        )
    return f"{number:f}"


def find_product(ctx: HookContext, form: Mapping[str, str]) -> int:
    """The id of the product that a form means: what was typed comes before what was chosen.

    Typed may be the SKU, the barcode, the name, or a part of the name that only one product on sale has.
    """
    typed, chosen = form.get("typed", "").strip(), form.get("product", "").strip()
    if typed:
        return search_product(ctx, typed)
    if chosen.isdecimal() and len(chosen) < 19:
        return int(chosen)
    raise BadInput(ctx.t("Choose a product, or type its SKU or name."), field="product")


def search_product(ctx: HookContext, typed: str) -> int:
    """The one product that the words mean; raises BadInput where there is none or more than one."""
    words = literal(typed)
    exact = _products(ctx, f"sku = {words} or barcode = {words}") or _products(ctx, f"name = {words}")
    found = exact or _products(ctx, f"active = true and name contains {words}")
    if len(found) == 1:
        return int(found[0]["id"])
    if not found:
        raise BadInput(ctx.t("There is no product “%(typed)s”.", typed=typed[:80]), field="typed")
    names = ", ".join(f"“{p['name']}”" for p in found[:CLOSE_MATCHES])
    raise BadInput(
        ctx.t("“%(typed)s” fits several products: %(names)s. Type more.", typed=typed[:80], names=names),
        field="typed",
    )


def _products(ctx: HookContext, condition: str) -> list[Mapping[str, Any]]:
    found = ctx.records.list(
        "product", filter=condition, fields=PRODUCT_FIELDS, sort=("name",), limit=CLOSE_MATCHES + 1
    )
    return list(found.rows)
