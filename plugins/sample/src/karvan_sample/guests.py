"""The day of a contact's last visit, kept on the contact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from karvan_sdk import Event, HookContext, RecordNotFound, literal

LAST = "sample__last_visit"


def follow(ctx: HookContext, events: Sequence[Event]) -> None:
    """Bring the contacts of changed visits up to date: read as they are now, so that twice does no harm."""
    _update(ctx, _touched(ctx, events))


def fill(ctx: HookContext) -> None:
    """Bring all contacts up to date that ever had a visit."""
    groups = ctx.records.aggregate("visit", measures=("count",), group=("contact",))
    _update(ctx, {_id(group["contact"]) for group in groups if group["contact"] is not None})


def _touched(ctx: HookContext, events: Iterable[Event]) -> set[int]:
    """The contacts of the visits, and those they had before."""
    found: set[int] = set()
    for event in events:
        found |= {_id(contact) for contact in event.changes.get("contact", ()) if contact is not None}
        try:
            contact = ctx.records.get("visit", event.record_id, fields=("contact",))["contact"]
        except RecordNotFound:
            continue
        found |= {contact} - {None}
    return found


def _id(contact: int | dict[str, int]) -> int:
    return contact["id"] if isinstance(contact, dict) else contact


def _update(ctx: HookContext, contacts: Iterable[int]) -> None:
    wanted = sorted(contacts)
    if not wanted:
        return
    known = {
        row["id"]: row[LAST]
        for row in ctx.records.each(
            "contact", filter=f"id in ({', '.join(map(literal, wanted))})", fields=("id", LAST)
        )
    }
    changed = [
        {"id": contact, LAST: day}
        for contact in wanted
        if contact in known and (day := _last_day(ctx, contact)) != known[contact]
    ]
    if changed:
        with ctx.records.write() as writer:
            writer.update_many("contact", changed)
        ctx.log.info("The last visit of %d contacts was brought up to date.", len(changed))


def _last_day(ctx: HookContext, contact: int) -> str | None:
    rows = ctx.records.list(
        "visit",
        filter=f"contact = {literal(contact)} and arrived_at is not empty",
        sort=("-arrived_at",),
        fields=("arrived_at",),
        limit=1,
    ).rows
    if not rows:
        return None
    moment = datetime.fromisoformat(rows[0]["arrived_at"])
    return moment.astimezone(ZoneInfo(ctx.timezone)).date().isoformat()
