"""Demo visits: of demo contacts, on the days around today, the same for the same size, seed and hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from karvan_sdk import DemoRecords, DemoRef

SHARE = 0.02
CONTACTS = 0.25
"""The share of contacts among the demo records of crm."""
DAYS = 5
OPENS, CLOSES = 8, 17


def make_demo(*, size: int, seed: int, now: datetime) -> Iterator[DemoRecords]:
    """About a fiftieth of `size` visits; those of days gone by are over, one guest is here now."""
    random = Random(f"karvan-sample/{seed}")  # noqa: S311 - must be repeatable, guards nothing
    hour = now.replace(minute=0, second=0, microsecond=0)
    yield DemoRecords(
        object="visit",
        records=[_visit(random, size, hour, number) for number in range(max(3, round(size * SHARE)))],
    )


def _visit(random: Random, size: int, hour: datetime, number: int) -> dict[str, Any]:
    day = hour - timedelta(days=random.randint(-DAYS, DAYS)) if number else hour
    expected = day.replace(hour=random.randint(OPENS, CLOSES), minute=random.choice((0, 15, 30, 45)))
    contact = DemoRef("contact", random.randrange(max(1, int(size * CONTACTS))))
    values: dict[str, Any] = {"contact": contact, "expected_at": expected.isoformat()}
    if not number:
        return {**values, "expected_at": hour.isoformat(), "arrived_at": hour.isoformat(), "badge": "1"}
    if expected < hour - timedelta(hours=4):
        arrived = expected + timedelta(minutes=random.randint(-10, 20))
        left = arrived + timedelta(minutes=random.randint(20, 180))
        return {**values, "arrived_at": arrived.isoformat(), "left_at": left.isoformat()}
    return values
