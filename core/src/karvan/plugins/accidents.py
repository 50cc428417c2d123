"""The accidents of plugins: processes that ended while code of a plugin was on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def sentence(self) -> str:
        """What happened, and what to do about it."""
        at = f" ({self.at:%Y-%m-%d %H:%M} UTC)" if self.at else ""
        return (
            f"A process ended while its code ran in '{self.hook}'{at}. {self.why} Disable it, or install a "
            "version that does not do this."
        )


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

    def last(self) -> Mapping[str, Accident]:
        """The newest accident of each plugin that had one, by plugin."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT at, plugin, version, hook, why, stack FROM k_accident WHERE id IN"
                " (SELECT max(id) FROM k_accident GROUP BY plugin)"
            )
        return {row[1]: _accident(row) for row in rows}

    def of(self, plugin: str) -> tuple[Accident, ...]:
        """The accidents of a plugin, newest first."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT at, plugin, version, hook, why, stack FROM k_accident WHERE plugin = ?"
                " ORDER BY id DESC",
                (plugin,),
            )
        return tuple(_accident(row) for row in rows)


def _accident(row: Sequence[Any]) -> Accident:
    at, plugin, version, hook, why, stack = row
    moment = read_moment(at) if isinstance(at, str) else at
    return Accident(plugin=plugin, version=version, hook=hook, why=why, stack=stack, at=moment)
