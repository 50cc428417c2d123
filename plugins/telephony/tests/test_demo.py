"""Demo calls are repeatable, lie in the last days, and point to records that the crm demo has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from karvan_sdk import DemoRef
from karvan_telephony.demo import make_demo

NOW = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)


def calls(size: int = 1000, seed: int = 1, now: datetime = NOW) -> list[dict[str, Any]]:
    return [dict(r) for batch in make_demo(size=size, seed=seed, now=now) for r in batch.records]


def test_the_same_seed_and_hour_give_the_same_calls() -> None:
    assert calls() == calls(now=NOW + timedelta(minutes=30))
    assert calls() != calls(seed=2)


def test_there_is_a_call_for_about_ten_records() -> None:
    assert [len(calls(size)) for size in (1, 100, 1000)] == [1, 10, 100]


@pytest.mark.parametrize("hour", range(24))
def test_calls_lie_in_the_last_days_and_none_in_the_future(hour: int) -> None:
    now = NOW.replace(hour=hour)
    begun = [datetime.fromisoformat(c["started_at"]) for c in calls(now=now)]
    assert max(begun) < now
    assert min(begun) > now - timedelta(days=12)


def test_none_rings_and_there_are_all_other_kinds() -> None:
    found = {(c["direction"], c["state"]) for c in calls()}
    assert found == {(d, s) for d in ("in", "out") for s in ("missed", "ended")}


def test_calls_point_to_records_of_the_crm_demo() -> None:
    for call in calls(size=100):
        (person,) = [v for v in call.values() if isinstance(v, DemoRef)]
        assert person.number < {"contact": 25, "lead": 10}[person.object]
