"""Guests who are late: a job looks when it is time, and mails the reception."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from karvan_sdk import Event, HookContext, RecordNotFound

JOB = "tell_late"
KEY = "pass_key"
YEAR_S = 365 * 24 * 3600


def follow(ctx: HookContext, events: Sequence[Event]) -> None:
    """Look at each visit again when its guest would be late."""
    if not ctx.settings["desk_mail"]:
        return
    for visit in sorted({event.record_id for event in events if event.event != "delete"}):
        _look_later(ctx, visit)


def tell(ctx: HookContext, payload: Mapping[str, Any]) -> None:
    """The job: mail the reception if the guest has not come; look again if the visit was put off."""
    visit = _expected(ctx, payload["visit"])
    if visit is None or not ctx.settings["desk_mail"]:
        return
    if _late_at(ctx, visit) > ctx.now:
        _look_later(ctx, visit["id"])
        return
    ctx.mail.send(
        ctx.settings["desk_mail"],
        ctx.t("%(guest)s is late", guest=visit["name"]),
        ctx.t("The code of the pass is %(code)s.", code=code_of(ctx, visit["id"])),
    )


def code_of(ctx: HookContext, visit: int) -> str:
    """Six digits that the guest of a visit shows, made with a key that only this plugin knows."""
    key = ctx.secrets.get(KEY)
    if key is None:
        key = secrets.token_hex(32)
        ctx.secrets.set(KEY, key)
    digest = hmac.new(key.encode(), str(visit).encode(), "sha256").digest()
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def _look_later(ctx: HookContext, id: int) -> None:
    visit = _expected(ctx, id)
    if visit is None:
        return
    delay_s = max(0.0, (_late_at(ctx, visit) - ctx.now).total_seconds())
    if delay_s < YEAR_S:
        ctx.jobs.later(JOB, {"visit": id}, delay_s=delay_s, key=f"visit-{id}")


def _expected(ctx: HookContext, id: int) -> dict[str, Any] | None:
    """The visit, if its guest is still to come."""
    try:
        found = ctx.records.get("visit", id, fields=("id", "name", "state", "expected_at"))
    except RecordNotFound:
        return None
    return found if found["state"] == "expected" and found["expected_at"] else None


def _late_at(ctx: HookContext, visit: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(visit["expected_at"]) + timedelta(minutes=ctx.settings["late_after"])


jobs = {JOB: tell}
