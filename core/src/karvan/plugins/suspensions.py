"""Suspensions: plugins that are on and not called, because a hook kept failing; the same for all processes.

The only module that touches `k_suspension`. Whoever suspends or lifts raises the version of the metadata, so
that every process follows with its next request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from karvan.database import Connection, Database
from karvan.metadata.kinds import moment_text, read_moment
from karvan.metadata.store import read_settings
from karvan.plugins.accidents import Suspension
from karvan.plugins.breaker import Trip


@dataclass(frozen=True, kw_only=True)
class Tripped(Suspension):
    """A suspension by a breaker: since when (UTC), in which hook it failed last, and how."""

    since: datetime
    hook: str
    error: str
    trace: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the API."""
        since = moment_text(self.since)
        return {"since": since, "hook": self.hook, "error": self.error, "trace": self.trace}


def hash_settings(settings: Mapping[str, Any]) -> str:
    """What tells whether the settings of a plugin are the same; a text without meaning."""
    return hashlib.sha256(orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class Suspensions:
    """The suspensions by breakers of one workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Mapping[str, Tripped]:
        """Those that hold, by plugin: of one version, under the settings of now."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT plugin, version, settings, since, hook, error, trace FROM k_suspension"
            )
            settings = read_settings(connection) if rows else {}
        return {r[0]: _tripped(r) for r in rows if r[2] == hash_settings(settings.get(r[0], {}))}

    def suspend(self, trip: Trip, version: str) -> None:
        """Suspend a plugin, in a transaction of its own; raises KarvanError where that can't be written."""
        if trip.plugin in self.read():
            return
        with self._database.write() as transaction:
            settings = hash_settings(read_settings(transaction).get(trip.plugin, {}))
            transaction.execute("DELETE FROM k_suspension WHERE plugin = ?", (trip.plugin,))
            transaction.execute(
                "INSERT INTO k_suspension (plugin, version, settings, since, hook, error, trace)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    trip.plugin, version, settings, _stored(datetime.now(UTC), transaction), trip.hook,
                    trip.why, trip.trace,
                ),
            )  # fmt: skip
            transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")

    def lift(self, plugin: str) -> None:
        """Have a plugin called again, and its events told now."""
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM k_suspension WHERE plugin = ?", (plugin,))
            transaction.execute(
                "UPDATE k_delivery SET due_at = ? WHERE plugin = ? AND state = 'waiting' AND claim = ''",
                (_stored(datetime.now(UTC), transaction), plugin),
            )
            transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")


def _tripped(row: Any) -> Tripped:
    _, version, _, at, hook, error, trace = row
    since = read_moment(at) if isinstance(at, str) else at
    why = (
        f"It is suspended since {moment_text(since)[:16].replace('T', ' ')} (UTC), for {hook} kept failing: "
        f"{error}. Its data stays, its events wait. Resume it once the cause is gone; a new version or "
        "changed settings are tried at once. Or disable it."
    )
    return Tripped(version=version, why=why, since=since, hook=hook, error=error, trace=trace)


def _stored(value: datetime, connection: Connection) -> Any:
    return moment_text(value) if connection.dialect == "sqlite" else value
