"""The accidents of plugins: processes that ended while code of a plugin was on top of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from karvan.database import Database
from karvan.metadata.kinds import moment_text, read_moment

STACK_MAX = 2000
KEPT = 20
"""Accidents that are kept of one plugin; older ones go."""


@dataclass(frozen=True, kw_only=True)
class Accident:
    """A process that ended while plugin code was on top of it.

    `hook` is `import`, a hook, `widget:<id>`, `route:<rule>` …; `why` is one English sentence; `stack` is
    an excerpt of what was running (most recent call first), empty where none could be written. `at` is when
    it was found (UTC), None before it is stored.
    """

    plugin: str
    version: str
    hook: str
    why: str
    stack: str = ""
    at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the API."""
        at = moment_text(self.at) if self.at else None
        return {
            "at": at, "version": self.version, "hook": self.hook, "why": self.why, "stack": self.stack
        }  # fmt: skip


class Accidents:
    """The accidents of one workspace, as its table `k_accident` keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, accident: Accident) -> None:
        """Store an accident with the time of now; raises KarvanError where the database can't be written."""
        now = datetime.now(UTC)
        with self._database.write() as transaction:
            at = moment_text(now) if transaction.dialect == "sqlite" else now
            transaction.execute(
                "INSERT INTO k_accident (at, plugin, version, hook, why, stack) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    at, accident.plugin, accident.version, accident.hook, accident.why,
                    accident.stack[:STACK_MAX],
                ),
            )  # fmt: skip
            transaction.execute(
                "DELETE FROM k_accident WHERE plugin = ? AND id NOT IN (SELECT id FROM k_accident"
                " WHERE plugin = ? ORDER BY id DESC LIMIT ?)",
                (accident.plugin, accident.plugin, KEPT),
            )

    def of(self, plugin: str) -> tuple[Accident, ...]:
        """The accidents of a plugin, newest first."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT at, version, hook, why, stack FROM k_accident WHERE plugin = ? ORDER BY id DESC",
                (plugin,),
            )
        return tuple(
            Accident(
                plugin=plugin,
                version=version,
                hook=hook,
                why=why,
                stack=stack,
                at=read_moment(at) if isinstance(at, str) else at,
            )
            for at, version, hook, why, stack in rows
        )
