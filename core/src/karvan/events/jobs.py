"""Jobs: work that a plugin asked for, done by a worker once the transaction that asked is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from karvan.database import Database
from karvan.events.queue import ATTEMPTS_MAX, Queue, skip_locked, stored
from karvan.metadata.catalog import Catalog

MAIL = "mail:send"
"""The name under which mail waits; no job of a plugin can have it. Its payload holds the `message`."""
COLUMNS = (
    "plugin", "name", "key", "payload", "actor_id", "created_at", "state", "attempts", "due_at", "claim",
    "last_error",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job under a claim. `actor_id` is who it was asked for, None for the plugin itself."""

    id: int
    plugin: str
    name: str
    payload: Mapping[str, Any]
    actor_id: int | None
    attempts: int
    claim: str


class Jobs:
    """The jobs of one workspace. Any number of workers may share them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = Queue(database, "k_job")

    def add(
        self,
        *,
        plugin: str,
        name: str,
        payload: Mapping[str, Any],
        actor_id: int | None,
        delay_s: float = 0.0,
        key: str | None = None,
    ) -> None:
        """Ask for a job, in the transaction that is open on this thread, else in one of its own.

        Where a job of this name and key is there already it is asked for anew: it keeps the earlier of both
        times, unless it is under way or dead, and takes this payload.
        """
        now = datetime.now(UTC)
        with self._database.joined() as transaction:
            at, due = (stored(m, transaction) for m in (now, now + timedelta(seconds=delay_s)))
            body = orjson.dumps(dict(payload)).decode()
            transaction.execute(
                f"INSERT INTO k_job ({', '.join(COLUMNS)})"
                " VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, ?, '', '')"
                " ON CONFLICT (plugin, name, key) DO UPDATE SET payload = excluded.payload,"
                " actor_id = excluded.actor_id, state = 'waiting', attempts = 0, claim = '', last_error = '',"
                " due_at = CASE WHEN k_job.state = 'waiting' AND k_job.claim = ''"
                " AND k_job.due_at < excluded.due_at THEN k_job.due_at ELSE excluded.due_at END",
                (plugin, name, key, body, actor_id, at, due),
            )

    def due(self) -> bool:
        """Whether a worker may have something to do now."""
        with self._database.read() as connection:
            row = connection.fetchone(
                "SELECT EXISTS (SELECT 1 FROM k_job WHERE state = 'waiting' AND due_at <= ?)",
                (stored(datetime.now(UTC), connection),),
            )
        return bool(row and row[0])

    def claim(self, catalog: Catalog) -> Job | None:
        """Take the first due job of an enabled plugin, and count the attempt; None when there is none.

        Jobs of a plugin that is off wait until it is on again; its mail does not.
        """
        plugins = list(catalog.plugins)
        own = f" OR plugin IN ({', '.join('?' * len(plugins))})" if plugins else ""
        with self._database.write() as transaction:
            self._queue.lay_aside(transaction)
            row = transaction.fetchone(
                "SELECT id, plugin, name, payload, actor_id, attempts FROM k_job"
                f" WHERE state = 'waiting' AND due_at <= ? AND (name = '{MAIL}'{own})"
                f" ORDER BY due_at, id LIMIT 1{skip_locked(transaction)}",
                (stored(datetime.now(UTC), transaction), *plugins),
            )
            if row is None:
                return None
            claim = self._queue.take(transaction, (row[0],))
        return Job(
            id=row[0],
            plugin=row[1],
            name=row[2],
            payload=orjson.loads(row[3]),
            actor_id=row[4],
            attempts=row[5] + 1,
            claim=claim,
        )

    def done(self, job: Job) -> None:
        """The job was done; it stays where it was asked for anew meanwhile."""
        self._queue.done((job.id,), job.claim)

    def later(self, job: Job, seconds: float) -> None:
        """The job asked for another turn: no attempt is counted."""
        self._queue.later((job.id,), job.claim, seconds)

    def failed(self, job: Job, why: str) -> None:
        """Try again later and later, in the end lay it aside."""
        self._queue.failed((job.id,), job.claim, attempts=job.attempts, why=why)

    def lost(self, job: Job, why: str) -> None:
        """Lay it aside at once: another try would bring the same."""
        self._queue.failed((job.id,), job.claim, attempts=ATTEMPTS_MAX, why=why)

    def count(self, plugin: str) -> Mapping[str, int]:
        """How many jobs of a plugin there are, by state."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT state, count(*) FROM k_job WHERE plugin = ? GROUP BY state", (plugin,)
            )
        return {"waiting": 0, "dead": 0, **{row[0]: row[1] for row in rows}}
