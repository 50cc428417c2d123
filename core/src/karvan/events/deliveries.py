"""Deliveries: each event of the outbox once for each plugin that wants it, tried until it was told.

An event leaves the outbox in the transaction that writes its deliveries, and a delivery goes only after its
plugin returned, so that a crash repeats and never loses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson

from karvan.database import Database, Transaction
from karvan.events import outbox
from karvan.events.queue import Queue, skip_locked, stored
from karvan.metadata.catalog import Catalog
from karvan.metadata.kinds import read_moment
from karvan_sdk.actions import Event
from karvan_sdk.manifest import HookUse

BATCH = 100
EXPAND = 500
VERBS = {"record.created": "create", "record.updated": "update", "record.deleted": "delete",
         "record.restored": "restore"}  # fmt: skip
RECORDS = "records_changed"
ENABLED = "plugin_enabled"
COLUMNS = (
    "event_id", "plugin", "hook", "object", "event", "record_id", "at", "actor_id", "source", "payload",
    "state", "attempts", "due_at", "claim", "last_error",
)  # fmt: skip

Listeners = Mapping[str, Sequence[HookUse]]
"""Plugin → the uses of the hook that it declared."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Deliveries of one plugin, hook, object and event, in the order of their commits, under one claim.

    `event` is create, update, delete, restore, or empty for an event about the plugin itself.
    """

    claim: str
    plugin: str
    hook: str
    object: str
    event: str
    ids: tuple[int, ...]
    events: tuple[Event, ...]
    attempts: int

    def is_told_in(self, catalog: Catalog) -> bool:
        """Whether its plugin is on still, and what it tells of is there still."""
        return self.plugin in catalog.plugins and (not self.object or self.object in catalog.by_uid)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How many deliveries wait and how many were laid aside as undeliverable."""

    waiting: int
    dead: int


class Deliveries:
    """The queue of one workspace. Any number of workers may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = Queue(database, "k_delivery")

    def expand(self, catalog: Catalog) -> int:
        """Turn up to `EXPAND` events of the outbox into deliveries; gives how many events left it.

        Who listens is what the enabled plugins declared, so that one whose code is missing for a while
        loses nothing.
        """
        listeners = _listeners(catalog)
        with self._database.write() as transaction:
            skip = skip_locked(transaction)
            rows = transaction.fetchall(
                f"SELECT id, {', '.join(outbox.COLUMNS)} FROM k_outbox ORDER BY id LIMIT {EXPAND}{skip}"
            )
            if not rows:
                return 0
            now = stored(datetime.now(UTC), transaction)
            made = [
                (*delivery, "waiting", 0, now, "", "")
                for row in rows
                for delivery in _deliveries(row, catalog, listeners)
            ]
            if made:
                transaction.insert_many("k_delivery", COLUMNS, made)
            transaction.execute_many("DELETE FROM k_outbox WHERE id = ?", [(row[0],) for row in rows])
        return len(rows)

    def claim(self, catalog: Catalog) -> Batch | None:
        """Take the deliveries that are due first, and count the attempt; None when nothing is due.

        A delivery that failed before travels alone, so that it holds no others up.
        """
        with self._database.write() as transaction:
            at, skip = stored(datetime.now(UTC), transaction), skip_locked(transaction)
            self._queue.lay_aside(transaction)
            head = transaction.fetchone(
                "SELECT id, plugin, hook, object, event, attempts FROM k_delivery"
                f" WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id LIMIT 1{skip}",
                (at,),
            )
            if head is None:
                return None
            rows = self._together(transaction, head, at, skip)
            claim = self._queue.take(transaction, [row[0] for row in rows])
        _, plugin, hook, object_, event, attempts = head
        return Batch(
            claim=claim,
            plugin=plugin,
            hook=hook,
            object=object_,
            event=event,
            ids=tuple(row[0] for row in rows),
            events=tuple(_event(row, object_, event, catalog) for row in rows),
            attempts=attempts + 1,
        )

    def done(self, batch: Batch) -> None:
        """The batch was told: its deliveries go. Those that another worker took over by now stay."""
        self._queue.done(batch.ids, batch.claim)

    def later(self, batch: Batch, seconds: float) -> None:
        """The plugin asked for another turn: no attempt is counted."""
        self._queue.later(batch.ids, batch.claim, seconds)

    def failed(self, batch: Batch, why: str) -> None:
        """Try again later and later, in the end lay the deliveries aside."""
        self._queue.failed(batch.ids, batch.claim, attempts=batch.attempts, why=why)

    def count(self) -> Waiting:
        """What is in the queue, the events that are still in the outbox included."""
        with self._database.read() as connection:
            found = connection.fetchall("SELECT state, count(*) FROM k_delivery GROUP BY state")
            fresh = connection.fetchone("SELECT count(*) FROM k_outbox")
        assert fresh is not None
        rows: dict[str, int] = {row[0]: row[1] for row in found}
        return Waiting(waiting=rows.get("waiting", 0) + fresh[0], dead=rows.get("dead", 0))

    def due(self) -> bool:
        """Whether a worker has something to do now."""
        with self._database.read() as connection:
            at = stored(datetime.now(UTC), connection)
            row = connection.fetchone(
                "SELECT EXISTS (SELECT 1 FROM k_outbox) OR EXISTS"
                " (SELECT 1 FROM k_delivery WHERE state = 'waiting' AND due_at <= ?)",
                (at,),
            )
        return bool(row and row[0])

    # -- inside ----------------------------------------------------------------------------------------

    def _together(self, transaction: Transaction, head: Any, at: Any, skip: str) -> list[Any]:
        """The rows that travel with the first one: all if none of them failed before."""
        id_, plugin, hook, object_, event, attempts = head
        columns = "SELECT id, event_id, record_id, at, actor_id, source, payload FROM k_delivery"
        if attempts:
            return transaction.fetchall(f"{columns} WHERE id = ?", (id_,))
        return transaction.fetchall(
            f"{columns} WHERE state = 'waiting' AND due_at <= ? AND plugin = ? AND hook = ? AND object = ?"
            f" AND event = ? AND attempts = 0 ORDER BY event_id, id LIMIT {BATCH}{skip}",
            (at, plugin, hook, object_, event),
        )


def _listeners(catalog: Catalog) -> Listeners:
    found: dict[str, list[HookUse]] = {}
    for plugin, manifest in catalog.manifests.items():
        for use in manifest.get("hooks", ()):
            if use["hook"] in (RECORDS, ENABLED):
                listed: dict[str, Any] = {n: tuple(use[n]) for n in ("objects", "events") if n in use}
                found.setdefault(plugin, []).append(HookUse(hook=use["hook"], **listed))
    return found


def _deliveries(row: Any, catalog: Catalog, listeners: Listeners) -> Sequence[tuple[Any, ...]]:
    """The deliveries of one outbox row, without their state."""
    id_, at, name, uid, record_id, actor_id, source, payload = row
    if name == outbox.PLUGIN_ENABLED:
        if not any(use.hook == ENABLED for use in listeners.get(uid, ())):
            return ()
        return [(id_, uid, ENABLED, "", "", 0, at, actor_id, source, payload)]
    object_type, event = catalog.by_uid.get(uid), VERBS.get(name)
    if object_type is None or event is None:
        return ()  # its object has gone since: nobody can be told about it any more
    return [
        (id_, plugin, RECORDS, uid, event, record_id, at, actor_id, source, payload)
        for plugin, uses in listeners.items()
        if any(use.hook == RECORDS and use.listens(object_type.name, event) for use in uses)
    ]


def _event(row: Any, uid: str, event: str, catalog: Catalog) -> Event:
    _, event_id, record_id, at, actor_id, source, payload = row
    object_type = catalog.by_uid.get(uid)
    by_uid: Mapping[str, str] = {f.uid: name for name, f in object_type.fields.items()} if object_type else {}
    changes = {by_uid[u]: (old, new) for u, (old, new) in orjson.loads(payload).items() if u in by_uid}
    return Event(
        id=event_id,
        event=event,
        object=object_type.name if object_type else "",
        record_id=record_id,
        at=read_moment(at) if isinstance(at, str) else at,
        actor_id=actor_id,
        source=source,
        changes=MappingProxyType(changes),
    )
