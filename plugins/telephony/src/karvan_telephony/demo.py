"""Demo calls: with demo contacts and leads over the last days, the same for the same size, seed and hour.

A call names only the person; the number comes from the person's record when the call is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from karvan_sdk import DemoRecords, DemoRef

SHARE = 0.1
CONTACTS, LEADS = 0.25, 0.10
"""The shares of contacts and leads among the demo records of crm."""
DAYS = 9
LINES = ("100", "101", "102", "+493055501234")
OPENS, CLOSES = 7, 17

Record = dict[str, Any]


def make_demo(*, size: int, seed: int, now: datetime) -> Iterator[DemoRecords]:
    """About a tenth of `size` calls, the last of them in the hour before `now`; none of them rings."""
    random = Random(f"karvan-telephony/{seed}")  # noqa: S311 - must be repeatable, guards nothing
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    count = max(1, round(size * SHARE))
    people = [DemoRef("contact", n) for n in range(max(1, round(size * CONTACTS)))]
    leads = [DemoRef("lead", n) for n in range(max(1, round(size * LEADS)))]
    calls = [make_call(random, hour, people, leads) for _ in range(count)]
    yield DemoRecords(object="call", records=sorted(calls, key=lambda call: str(call["started_at"])))


def make_call(random: Random, hour: datetime, people: list[DemoRef], leads: list[DemoRef]) -> Record:
    """One call: three of four with contacts, more in than out, a fifth missed."""
    person = random.choice(people) if random.random() < 0.75 else random.choice(leads)
    direction = "in" if random.random() < 0.62 else "out"
    began = _business_moment(random, hour)
    record: Record = {
        "direction": direction,
        person.object: person,
        "line": random.choice(LINES),
        "started_at": _text(began),
    }
    rings = timedelta(seconds=random.randint(4, 28))
    if random.random() < 0.2:
        return {**record, "state": "missed", "ended_at": _text(began + rings), "duration": 0}
    talk = int(random.triangular(15, 1500, 180))
    return {
        **record,
        "state": "ended",
        "answered_at": _text(began + rings),
        "ended_at": _text(began + rings + timedelta(seconds=talk)),
        "duration": talk,
    }


def _business_moment(random: Random, hour: datetime) -> datetime:
    """A moment at least half an hour ago, on one of the last days; more of them lately."""
    day = hour - timedelta(days=int(random.triangular(0, DAYS, 1)))
    opens, closes = day.replace(hour=OPENS), day.replace(hour=CLOSES)
    latest = min(closes, hour - timedelta(minutes=30))
    if latest < opens:  # today has not begun yet
        opens, latest = opens - timedelta(days=1), closes - timedelta(days=1)
    return opens + timedelta(seconds=random.randint(0, int((latest - opens).total_seconds())))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")[:26] + "Z"
