"""A demo workspace shows a finished exchange."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from karvan_onec.demo import make_demo


def test_the_demo_exchange_is_a_record_that_can_be_made(shop: Any) -> None:
    (batch,) = make_demo(size=1000, seed=1, now=datetime(2026, 3, 2, 10, 30, tzinfo=UTC))
    with shop.workspace.records.write(shop.system, source="plugin:onec") as writer:
        result = writer.create_many(batch.object, batch.records, partial=False)
    assert not result.errors
    assert shop.last()["state"] == "done"
    assert list(make_demo(size=1000, seed=1, now=datetime(2026, 3, 2, 10, 59, tzinfo=UTC))) == [batch]
