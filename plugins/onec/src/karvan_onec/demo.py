"""A demo workspace shows one exchange that went well an hour ago. It sent nothing that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from karvan_sdk import DemoRecords


def make_demo(*, size: int, seed: int, now: datetime) -> Iterator[DemoRecords]:
    """One finished exchange of changes."""
    random = Random(f"karvan-onec/{seed}")  # noqa: S311 - must be repeatable, guards nothing
    hour = now.replace(minute=0, second=0, microsecond=0)
    began = hour - timedelta(minutes=random.randint(10, 50))
    unchanged = max(3, size // 10)
    yield DemoRecords(
        object="exchange",
        records=[
            {
                "name": "import0_1.xml",
                "kind": "catalog",
                "state": "done",
                "mode": "exchange",
                "started_at": _text(began),
                "finished_at": _text(began + timedelta(seconds=4 + unchanged // 500)),
                "created": 0,
                "updated": random.randint(1, 4),
                "unchanged": unchanged,
                "failed": 0,
                "deactivated": 0,
                "missing": 0,
                "pending": 0,
            }
        ],
    )


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
