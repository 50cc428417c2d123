"""The hooks of the crm plugin: derived values of deals and activities, two gates, demo records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from karvan_crm.deals import prepare_deal
from karvan_crm.demo import make_demo
from karvan_sdk import Change, DemoRecords, HookContext, Rejected, Text, hookimpl

OWN_PARENT = Text.of(
    {
        "en": "An account cannot be its own parent.",
        "ru": "Компания не может быть головной для самой себя.",
        "fa": "شرکت نمی‌تواند شرکت مادر خودش باشد.",
        "zh": "客户不能是自己的上级客户。",
    }
)
DONE_LATER = Text.of(
    {
        "en": "What is done cannot lie in the future.",
        "ru": "Выполненное дело не может быть в будущем.",
        "fa": "فعالیت انجام‌شده نمی‌تواند در آینده باشد.",
        "zh": "已完成的活动不能在将来。",
    }
)
CLOCK_SKEW = timedelta(days=1)
"""Clocks of phones go wrong and files come without a zone, so only a clear error is refused."""


class Crm:
    """The plugin. It keeps no state: all that a hook needs comes with the call."""

    @hookimpl
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Derive probability, closing moment and name of deals, and the moment an activity was done."""
        now = datetime.now(UTC)
        if object == "deal":
            deal = ctx.describe("deal")
            return [prepare_deal(deal, change, event, now, ctx) for change in changes]
        if object == "activity":
            return [prepare_activity(change, now) for change in changes]
        return None

    @hookimpl
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Refuse an account that is its own parent and an activity done in the future."""
        now = datetime.now(UTC)
        check = {"account": check_account, "activity": check_activity}.get(object)
        if check is None:
            return
        refused = [
            Rejected(message(ctx.language), field=field, index=index)
            for index, change in enumerate(changes)
            for field, message in check(change, now)
        ]
        if refused:
            raise Rejected.many(refused)

    @hookimpl
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords] | None:
        """Give accounts, contacts, leads, deals and activities around today."""
        return make_demo(size=size, seed=seed, today=datetime.now(ZoneInfo(ctx.timezone)).date())


def prepare_activity(change: Change, now: datetime) -> Change:
    """Stamp `done_at` when an activity becomes done and clear it when it stops being done."""
    if not change.changed("status"):
        return change
    done = change.get("status") == "done"
    if done and change.get("done_at") is None:
        return change.with_values(done_at=now)
    if not done and change.get("done_at") is not None:
        return change.with_values(done_at=None)
    return change


def check_account(change: Change, now: datetime) -> Iterator[tuple[str, Text]]:
    """Findings (field, message) about one account."""
    if change.id is not None and change.get("parent") == change.id:
        yield "parent", OWN_PARENT


def check_activity(change: Change, now: datetime) -> Iterator[tuple[str, Text]]:
    """Findings (field, message) about one activity. Old records are judged only by what changes."""
    values: Mapping[str, Any] = change.values
    done_at = values.get("done_at")
    if change.changed("done_at") and done_at is not None and done_at > now + CLOCK_SKEW:
        yield "done_at", DONE_LATER


plugin = Crm()
