"""What a visit is: its state follows its moments, a badge is held once, a number is kept for callers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from karvan_sdk import Change, HookContext, RecordRef, Rejected, literal

E164 = re.compile(r"\+[1-9]\d{6,14}")
SPACERS = re.compile(r"[\s().\-/]")
NUMBERED = re.compile(r"\d+")


def prepare(ctx: HookContext, change: Change, event: str) -> Change:
    """The change with what follows from it: state, the form of the badge, the international number."""
    derived: dict[str, Any] = {"state": state_of(change)}
    badge = change.get("badge")
    if badge:
        derived["badge"] = badge.strip().upper()
    if event == "create" or change.changed("phone"):
        derived["e164"] = to_e164(change.get("phone"))
    return change.with_values(**{n: v for n, v in derived.items() if v != change.get(n)})


def state_of(change: Change) -> str:
    """expected, here or gone, from the moments of arrival and leaving."""
    if change.get("left_at"):
        return "gone"
    return "here" if change.get("arrived_at") else "expected"


def to_e164(phone: str | None) -> str | None:
    """The number as `+4930123456`; None for one without its country."""
    plain = SPACERS.sub("", phone or "")
    return plain if E164.fullmatch(plain) else None


def check(ctx: HookContext, changes: Sequence[Change]) -> None:
    """Raise Rejected with all that is wrong in a batch."""
    wrong = [found for index, change in enumerate(changes) for found in _wrong(ctx, change, index)]
    wrong += _held_twice(ctx, changes)
    if wrong:
        raise Rejected.many(wrong)


def _wrong(ctx: HookContext, change: Change, index: int) -> list[Rejected]:
    arrived, left, badge = change.get("arrived_at"), change.get("left_at"), change.get("badge")
    found = []
    if left and not arrived:
        found.append(Rejected(ctx.t("Who leaves must have arrived."), field="left_at", index=index))
    if left and arrived and left < arrived:
        found.append(Rejected(ctx.t("Nobody leaves before they arrive."), field="left_at", index=index))
    is_old = ctx.source == "import"  # visits of before keep the badges that they had
    if badge and not is_old and ctx.settings["badge_style"] == "number" and not NUMBERED.fullmatch(badge):
        found.append(Rejected(ctx.t("Badges are numbers here."), field="badge", index=index))
    return found


def _held_twice(ctx: HookContext, changes: Sequence[Change]) -> list[Rejected]:
    """Guests of the batch whose badge is with another guest who is here, in the batch or stored."""
    holders = {
        index: change for index, change in enumerate(changes)
        if change.get("badge") and state_of(change) == "here"
    }  # fmt: skip
    if not holders:
        return []
    badges = ", ".join(sorted({literal(c.get("badge")) for c in holders.values()}))
    stored = {
        row["badge"]: row["id"]
        for row in ctx.records.each(
            "visit", filter=f'state = "here" and badge in ({badges})', fields=("id", "badge")
        )
    }
    batch = {change.id for change in changes}
    taken = {badge for badge, id in stored.items() if id not in batch}
    found = []
    for index, change in holders.items():
        badge = change.get("badge")
        if badge in taken:
            message = ctx.t("Somebody in the house has badge %(badge)s.", badge=badge)
            found.append(Rejected(message, field="badge", index=index))
        taken.add(badge)
    return found


def find(ctx: HookContext, phone: str) -> RecordRef | None:
    """The visit that is expected from a number."""
    rows = ctx.records.list(
        "visit",
        filter=f'e164 = {literal(phone)} and state != "gone"',
        sort=("expected_at",),
        fields=("id",),
        limit=1,
    ).rows
    return RecordRef(object="visit", id=rows[0]["id"]) if rows else None


def today(ctx: HookContext) -> tuple[datetime, datetime]:
    """The first moment of this day in the workspace's zone, and that of the next."""
    return day_of(ctx, ctx.now)


def day_of(ctx: HookContext, moment: datetime) -> tuple[datetime, datetime]:
    """The first moment of the day in which a moment lies, and that of the next day."""
    zone = ZoneInfo(ctx.timezone)
    start = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return start, (start + timedelta(hours=36)).replace(hour=0)


def expected_today(ctx: HookContext) -> list[dict[str, Any]]:
    """The visits of today in the order in which they are expected; who is late is marked `late`."""
    start, end = today(ctx)
    rows = ctx.records.each(
        "visit",
        filter=f"expected_at >= {literal(start)} and expected_at < {literal(end)}",
        sort=("expected_at",),
    )
    late = ctx.now - timedelta(minutes=ctx.settings["late_after"])
    return [
        {**row, "late": row["state"] == "expected" and datetime.fromisoformat(row["expected_at"]) < late}
        for row in rows
    ]
