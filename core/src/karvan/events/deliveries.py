"""Deliveries: each event of the outbox once for each plugin that wants it, tried until it was told.

An event leaves the outbox in the transaction that writes its deliveries, and a delivery goes only after its
plugin returned, so that a crash repeats and never loses. A claim ends by itself after `CLAIM_S`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import orjson

from karvan.database import Connection, Database, Transaction
from karvan.events import outbox
from karvan.metadata.catalog import Catalog
from karvan.metadata.kinds import moment_text, read_moment
from karvan_sdk.actions import Event
from karvan_sdk.manifest import HookUse

BATCH = 100
EXPAND = 500
CLAIM_S = 60.0
ATTEMPTS_MAX = 8
BACKOFF_S = (1, 5, 30, 120, 600, 1800, 3600, 3600)
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

    def expand(self, catalog: Catalog) -> int:
        """Turn up to `EXPAND` events of the outbox into deliveries; gives how many events left it.

        Who listens is what the enabled plugins declared, so that one whose code is missing for a while
        loses nothing.
        """
        listeners = _listeners(catalog)
        with self._database.write() as transaction:
            skip = " FOR UPDATE SKIP LOCKED" if transaction.dialect == "postgresql" else ""
            rows = transaction.fetchall(
                f"SELECT id, {', '.join(outbox.COLUMNS)} FROM k_outbox ORDER BY id LIMIT {EXPAND}{skip}"
            )
            if not rows:
                return 0
            now = _stored(datetime.now(UTC), transaction)
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
            now = datetime.now(UTC)
            at = _stored(now, transaction)
            skip = " FOR UPDATE SKIP LOCKED" if transaction.dialect == "postgresql" else ""
            self._lay_aside(transaction, at)
            head = transaction.fetchone(
                "SELECT id, plugin, hook, object, event, attempts FROM k_delivery"
                f" WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id LIMIT 1{skip}",
                (at,),
            )
            if head is None:
                return None
            rows = self._together(transaction, head, at, skip)
            claim = secrets.token_hex(8)
            until = _stored(now + timedelta(seconds=CLAIM_S), transaction)
            transaction.execute_many(
                "UPDATE k_delivery SET attempts = attempts + 1, due_at = ?, claim = ? WHERE id = ?",
                [(until, claim, row[0]) for row in rows],
            )
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
        self._finish(batch, "DELETE FROM k_delivery WHERE id = ? AND claim = ?", ())

    def later(self, batch: Batch, seconds: float) -> None:
        """The plugin asked for another turn: no attempt is counted."""
        due = self._moment(datetime.now(UTC) + timedelta(seconds=max(0.0, seconds)))
        text = (
            "UPDATE k_delivery SET attempts = attempts - 1, due_at = ?, claim = '' WHERE id = ? AND claim = ?"
        )
        self._finish(batch, text, (due,))

    def failed(self, batch: Batch, why: str) -> None:
        """Try again later and later; after `ATTEMPTS_MAX` attempts the deliveries are laid aside."""
        wait = BACKOFF_S[min(batch.attempts, len(BACKOFF_S)) - 1]
        due = self._moment(datetime.now(UTC) + timedelta(seconds=wait))
        state = "dead" if batch.attempts >= ATTEMPTS_MAX else "waiting"
        text = (
            "UPDATE k_delivery SET state = ?, due_at = ?, claim = '', last_error = ?"
            " WHERE id = ? AND claim = ?"
        )
        self._finish(batch, text, (state, due, why[:1000]))

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
            at = _stored(datetime.now(UTC), connection)
            row = connection.fetchone(
                "SELECT EXISTS (SELECT 1 FROM k_outbox) OR EXISTS"
                " (SELECT 1 FROM k_delivery WHERE state = 'waiting' AND due_at <= ?)",
                (at,),
            )
        return bool(row and row[0])

    # -- inside ----------------------------------------------------------------------------------------

    def _lay_aside(self, transaction: Transaction, at: Any) -> None:
        """What was claimed once too often and never answered: its worker was ended each time."""
        transaction.execute(
            "UPDATE k_delivery SET state = 'dead', claim = '', last_error = ?"
            " WHERE state = 'waiting' AND due_at <= ? AND attempts >= ?",
            ("The plugin never came back; its worker was ended each time.", at, ATTEMPTS_MAX),
        )

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

    def _finish(self, batch: Batch, text: str, params: tuple[Any, ...]) -> None:
        with self._database.write() as transaction:
            transaction.execute_many(text, [(*params, id_, batch.claim) for id_ in batch.ids])

    def _moment(self, value: datetime) -> Any:
        return moment_text(value) if self._database.dialect == "sqlite" else value


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


def _stored(value: datetime, connection: Connection) -> Any:
    return moment_text(value) if connection.dialect == "sqlite" else value
