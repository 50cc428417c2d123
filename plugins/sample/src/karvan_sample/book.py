"""The guest book: a text file for each day, written anew from the visits whenever one of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from karvan_sample.visits import day_of
from karvan_sdk import Event, HookContext, RecordNotFound, literal


def follow(ctx: HookContext, events: Sequence[Event]) -> None:
    """Write the pages of all days on which changed visits began or begin."""
    moments = [m for event in events for m in event.changes.get("arrived_at", ()) if m]
    for event in events:
        try:
            arrived = ctx.records.get("visit", event.record_id, fields=("arrived_at",))["arrived_at"]
        except RecordNotFound:
            continue
        moments += [arrived] if arrived else []
    for start, end in sorted({day_of(ctx, datetime.fromisoformat(m)) for m in moments}):
        write_page(ctx, start, end)


def page_of(ctx: HookContext, day: date) -> bytes | None:
    """The page of a day, None where nobody came."""
    name = _name(day)
    return ctx.files.read(name) if name in ctx.files.names(name) else None


def days(ctx: HookContext) -> list[str]:
    """The days that have a page, the newest first."""
    return sorted((name.removeprefix("book/").removesuffix(".txt") for name in ctx.files.names("book/")),
                  reverse=True)  # fmt: skip


def write_page(ctx: HookContext, start: datetime, end: datetime) -> None:
    """Write the page of one day, or remove it where nobody came."""
    zone = ZoneInfo(ctx.timezone)
    rows = ctx.records.each(
        "visit",
        filter=f"arrived_at >= {literal(start)} and arrived_at < {literal(end)}",
        sort=("arrived_at",),
        fields=("name", "badge", "arrived_at", "left_at"),
    )
    lines = [
        "\t".join(
            (
                _clock(row["arrived_at"], zone),
                _clock(row["left_at"], zone),
                row["badge"] or "–",
                " ".join(row["name"].split()),
            )
        )
        for row in rows
    ]
    name = _name(start.date())
    if lines:
        ctx.files.write(name, ("\n".join(lines) + "\n").encode())
    else:
        ctx.files.delete(name)


def _clock(moment: str | None, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(moment).astimezone(zone).strftime("%H:%M") if moment else "–"


def _name(day: date) -> str:
    return f"book/{day.isoformat()}.txt"
