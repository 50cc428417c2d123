"""What a deal's stage decides: its probability and the moment of its closing. Also its last-resort name."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from karvan_sdk import Change, HookContext, Object

CLOSED = {"won": Decimal(100), "lost": Decimal(0)}
"""The stage types that end a deal, with the probability that follows where the option names none."""


def prepare_deal(deal: Object, change: Change, event: str, now: datetime, ctx: HookContext) -> Change:
    """The change of a deal with what follows from it.

    `deal` is the object as it is now, so stages that an administrator or an import added count as well.
    """
    found: dict[str, Any] = {}
    if event == "create" and not any(change.get(name) for name in ("name", "account", "opened_on")):
        found["name"] = deal.label(ctx.language)  # nothing is there for name_template to compose from
    if change.changed("stage"):
        stage = change.get("stage")
        if not change.changed("probability"):  # a number that was typed along with the stage stands
            probability = stage_probability(deal, stage)
            reopened = stage_type(deal, change.before.get("stage")) in CLOSED
            if probability is not None or reopened:  # else the stage has no opinion: keep what there is
                found["probability"] = probability
        found["closed_at"] = closing_moment(deal, change, event, now, ctx.timezone)
    changed = {name: value for name, value in found.items() if value != change.get(name)}
    return change.with_values(**changed) if changed else change


def stage_type(deal: Object, stage: str | None) -> str:
    """`open`, `won` or `lost`; a stage that does not say is open."""
    return str(_attribute(deal, stage, "type") or "open")


def stage_probability(deal: Object, stage: str | None) -> Decimal | None:
    """The probability in percent that a stage stands for, or None where nobody set one."""
    given = _attribute(deal, stage, "probability")
    try:
        number = None if given is None else Decimal(str(given))
    except InvalidOperation:
        number = None  # an administrator may write any text into an attribute
    if number is None or not number.is_finite() or not 0 <= number <= 100:
        return CLOSED.get(stage_type(deal, stage))
    return number.quantize(Decimal(1))


def closing_moment(deal: Object, change: Change, event: str, now: datetime, timezone: str) -> datetime | None:
    """When the deal was closed; None while its stage is open.

    Moving between won and lost keeps the moment. A deal that comes in closed (an import of history) was
    closed at the end of its close date, not now.
    """
    if stage_type(deal, change.get("stage")) not in CLOSED:
        return None
    before: datetime | None = change.before.get("closed_at")
    if before is not None and stage_type(deal, change.before.get("stage")) in CLOSED:
        return before
    closed_on: date | None = change.get("close_date")
    if event == "create" and closed_on is not None and closed_on < now.astimezone(ZoneInfo(timezone)).date():
        return end_of_day(closed_on, timezone)
    return now


def end_of_day(day: date, timezone: str) -> datetime:
    """The last second of a day in a zone, as a moment in UTC."""
    return datetime.combine(day, time(23, 59, 59), ZoneInfo(timezone)).astimezone(UTC)


def _attribute(deal: Object, stage: str | None, name: str) -> Any:
    field = deal.field("stage")
    option = field.option(stage) if field is not None and stage is not None else None
    return None if option is None else option.attributes.get(name)
