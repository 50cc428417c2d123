"""The end of the day: who was here and did not sign out has gone home by midnight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from karvan_sample.visits import today
from karvan_sdk import Event, HookContext, literal

JOB = "go_home"


def follow(ctx: HookContext, events: Sequence[Event]) -> None:
    """See to it that the guests of today are looked after at midnight: one job a day, however many come."""
    if any(event.event in ("create", "update") for event in events):
        start, end = today(ctx)
        delay = (end - ctx.now).total_seconds()
        ctx.jobs.later(JOB, {"day": start.date().isoformat()}, delay_s=delay, key=start.date().isoformat())


def go_home(ctx: HookContext, payload: Mapping[str, Any]) -> None:
    """Let all guests of days gone by leave at the end of their day; called twice it finds nobody."""
    start, _ = today(ctx)
    rows = ctx.records.each(
        "visit", filter=f'state = "here" and arrived_at < {literal(start)}', fields=("id",)
    )
    left = [{"id": row["id"], "left_at": start.isoformat()} for row in rows]
    if left:
        with ctx.records.write() as writer:
            writer.update_many("visit", left)
        ctx.log.info("%d guests of %s had not signed out.", len(left), payload["day"])


jobs = {JOB: go_home}
