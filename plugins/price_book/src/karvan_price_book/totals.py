"""The total of a deal is the exact sum of its lines: the only module that writes to deals.

Told after the commit and at least once, so nothing is added up step by step: the sum is read anew while
the deal is locked, and whoever comes last writes what is true then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from karvan_price_book.money import TOTAL_LIMIT, round_to
from karvan_price_book.rows import in_chunks, one_of, read_by_id, to_decimal, to_id
from karvan_sdk import Event, HookContext, PluginFailed, RecordWriter, Rejected, ValidationFailed

DEAL_FIELDS = ("id", "amount", "amount_currency", "price_book__total", "price_book__total_currency")
DEAL_WATCHED = frozenset({"amount", "amount_currency", "price_book__book", "price_book__total"})
REFUSALS = (ValidationFailed, Rejected, PluginFailed)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What the lines of one deal come to."""

    amount: Decimal
    currency: str


def follow_lines(ctx: HookContext, events: Sequence[Event]) -> int:
    """Bring the totals of all deals that these events of lines touch up to date; gives how many changed."""
    return recalculate(ctx, sorted(deals_of(ctx, events)))


def follow_deals(ctx: HookContext, events: Sequence[Event]) -> int:
    """The same for events of deals: what others did to an amount is put right."""
    touched = {
        e.record_id
        for e in events
        if e.source != f"plugin:{ctx.plugin}" and (e.event != "update" or DEAL_WATCHED & e.changes.keys())
    }
    return recalculate(ctx, sorted(touched))


def deals_of(ctx: HookContext, events: Sequence[Event]) -> set[int]:
    """The deals that events of lines touch: those the lines stand on, and those they stood on before."""
    found: set[int] = set()
    for event in events:
        for value in event.changes.get("deal", ()):
            found |= {id_ for id_ in (to_id(value),) if id_ is not None}
    lines = {e.record_id for e in events}
    found |= {to_id(row["deal"]) or 0 for row in read_by_id(ctx.records, "deal_line", lines, ("id", "deal"))}
    return found - {0}


def recalculate(ctx: HookContext, deals: Sequence[int]) -> int:
    """Write the totals of these deals; gives how many changed. Deals in the trash are left alone."""
    changed = 0
    for chunk in in_chunks(deals):
        try:
            changed += _write_together(ctx, chunk)
        except REFUSALS:
            changed += sum(_write_alone(ctx, id_) for id_ in chunk)
    return changed


def _write_together(ctx: HookContext, deals: Sequence[int]) -> int:
    with ctx.records.write() as writer:
        return _write_totals(ctx, writer, deals)


def _write_alone(ctx: HookContext, deal: int) -> int:
    """One deal by itself: a deal that breaks a rule of somebody else must not hold up the others."""
    try:
        return _write_together(ctx, (deal,))
    except REFUSALS as exc:
        ctx.log.warning("The total of deal %d could not be written: %s", deal, exc.message)
        return 0


def _write_totals(ctx: HookContext, writer: RecordWriter, deals: Sequence[int]) -> int:
    there = [row["id"] for row in read_by_id(writer.records, "deal", deals, ("id",))]
    if not there:
        return 0
    # an update without values changes nothing but locks the rows, so that sums are read one after another
    writer.update_many("deal", [{"id": id_} for id_ in there])
    sums = read_sums(ctx, writer, there)
    scale = amount_scale(ctx)
    updates = [
        {"id": row["id"], **new}
        for row in read_by_id(writer.records, "deal", there, DEAL_FIELDS)
        if (new := plan_update(row, sums.get(row["id"]), scale, copy=ctx.settings["copy_to_amount"]))
    ]
    if updates:
        writer.update_many("deal", updates)
    return len(updates)


def read_sums(ctx: HookContext, writer: RecordWriter, deals: Sequence[int]) -> dict[int, Sum | None]:
    """The sums of the lines by deal; None where no honest sum exists (two currencies, or too large)."""
    found: dict[int, Sum | None] = {}
    groups = writer.records.aggregate(
        "deal_line", measures=("sum:total",), group=("deal", "total_currency"), filter=one_of("deal", deals)
    )
    for group in groups:
        deal, amount = to_id(group["deal"]) or 0, to_decimal(group["sum_total"])
        if amount is None:
            continue
        if deal in found or amount >= TOTAL_LIMIT:
            ctx.log.warning("Deal %d has no total: its lines have two currencies or are too large.", deal)
            found[deal] = None
        else:
            found[deal] = Sum(amount=amount, currency=group["total_currency"] or "")
    return found


def plan_update(row: Mapping[str, Any], total: Sum | None, scale: int, *, copy: bool) -> dict[str, Any]:
    """The values by which a deal differs from what its lines come to; empty when it is right already.

    A deal without lines has no total, and its amount is nobody's business but the user's.
    """
    wanted: dict[str, Any] = {
        "price_book__total": None if total is None else total.amount,
        "price_book__total_currency": None if total is None else total.currency,
    }
    if copy and total is not None:
        wanted |= {"amount": round_to(total.amount, scale), "amount_currency": total.currency}
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in wanted.items()
        if value != (to_decimal(row[name]) if isinstance(value, Decimal) else row[name])
    }


def amount_scale(ctx: HookContext) -> int:
    """The decimals of the deal's own amount."""
    amount = ctx.describe("deal").field("amount")
    return 2 if amount is None or amount.scale is None else amount.scale


def recalculate_all(ctx: HookContext) -> int:
    """Bring the totals of all deals up to date; gives how many were wrong."""
    return recalculate(ctx, [row["id"] for row in ctx.records.each("deal", fields=("id",))])
