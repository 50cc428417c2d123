"""What people see of the exchange: where a product comes from, and how the last exchange went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from karvan_onec.exchange import OBJECT
from karvan_sdk import RecordNotFound, Widget, WidgetContext, literal

SHOWN = 5
ICONS = {"running": "refresh", "done": "circle-check", "failed": "alert-triangle"}


def render_origin(ctx: WidgetContext) -> str | None:
    """Identifier, last exchange, stock and variants of a product that comes from 1C; else nothing."""
    if ctx.record is None or not ctx.record.get("onec__guid"):
        return None
    guid = str(ctx.record["onec__guid"])
    offers = ctx.records.list(
        "onec_offer", filter=f"product = {literal(ctx.record['id'])}", sort=("name",), limit=SHOWN + 1
    ).rows
    variants = [o for o in offers if o["guid"] != guid and not o["removed"]]
    return ctx.render(
        "origin.html",
        guid=guid,
        short=shorten(guid),
        removed=bool(ctx.record.get("onec__removed")),
        stock=ctx.record.get("onec__stock"),
        unit=ctx.record.get("unit") or "",
        changed=_exchange_of(ctx),
        last=_last(ctx, 'state = "done"'),
        variants=variants[:SHOWN],
        more=len(variants) > SHOWN,
    )


def render_last_exchange(ctx: WidgetContext) -> str | None:
    """How the last exchange went."""
    return ctx.render("last_exchange.html", exchange=_last(ctx), configured=bool(ctx.settings["password"]))


def shorten(guid: str) -> str:
    """The beginning and the end of a long identifier: `b9006815…31cf`."""
    return guid if len(guid) <= 14 else f"{guid[:8]}…{guid[-4:]}"


def _exchange_of(ctx: WidgetContext) -> dict[str, Any] | None:
    """The exchange that changed the product last, where its reader may see it."""
    given = ctx.record.get("onec__exchange") if ctx.record else None
    number = given.get("id") if isinstance(given, Mapping) else given
    if number is None:
        return None
    try:
        return _shown(ctx, ctx.records.get(OBJECT, int(number)))
    except RecordNotFound:
        return None


def _last(ctx: WidgetContext, condition: str = "") -> dict[str, Any] | None:
    rows = ctx.records.list(OBJECT, filter=condition, sort=("-started_at",), limit=1).rows
    return _shown(ctx, rows[0]) if rows else None


def _shown(ctx: WidgetContext, row: Mapping[str, Any]) -> dict[str, Any]:
    """An exchange for the eye."""
    declared = ctx.describe(OBJECT)
    labels: dict[str, str] = {}
    for name in ("state", "kind"):
        field = declared.field(name)
        option = field.option(row[name]) if field and row[name] else None
        labels[name] = option.label(ctx.language) if option else row[name] or ""
        labels[f"{name}_tone"] = option.color if option else "mute"
    return {
        "id": row["id"],
        "name": row["name"] or "",
        "at": row["finished_at"] or row["started_at"],
        "icon": ICONS.get(row["state"], "arrows-exchange"),
        "counts": {n: row[n] or 0 for n in ("created", "updated", "unchanged", "failed")},
        **labels,
    }


widgets = (
    Widget(id="origin", render=render_origin),
    Widget(id="last_exchange", render=render_last_exchange),
)
