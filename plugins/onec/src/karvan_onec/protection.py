"""With the setting `protect`, what 1C rules of a product can't be changed by hand."""

from __future__ import annotations

from collections.abc import Sequence

from karvan_sdk import Change, HookContext, Rejected

RULED = ("name", "sku", "unit", "price", "price_currency")


def check_products(ctx: HookContext, changes: Sequence[Change]) -> None:
    """Refuse changes of products that come from 1C; raises Rejected naming every record and field."""
    if ctx.source == f"plugin:{ctx.plugin}" or not ctx.settings["protect"]:
        return
    refused = [
        _rejection(ctx, name, index)
        for index, change in enumerate(changes)
        if change.before.get("onec__guid")
        for name in RULED
        if change.changed(name)
    ]
    if refused:
        raise Rejected.many(refused)


def _rejection(ctx: HookContext, name: str, index: int) -> Rejected:
    declared = ctx.describe("product").field(name.removesuffix("_currency"))
    label = declared.label(ctx.language) if declared else name
    reason = ctx.t("“%(field)s” comes from 1C; change it there.", field=label)
    return Rejected(reason, field=name, index=index)
