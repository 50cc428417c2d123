"""The accidents of plugins: processes that ended while code of a plugin was on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from karvan.database import Database
from karvan.metadata.kinds import moment_text, read_moment
from karvan.plugins.blackbox import IMPORT

STACK_MAX = 2000
CALLS_MAX = 2
"""Accidents in calls of one version that suspend it; at import the first one does."""
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


@dataclass(frozen=True, kw_only=True)
class Suspension:
    """Why the code of one version of a plugin is not used, and what to do: `why` is whole sentences."""

    version: str
    why: str


class Accidents:
    """The accidents of one workspace, as its table `k_accident` keeps them.

    One at the import of its code, or `CALLS_MAX` in calls, suspend a version of a plugin. Enabling it again
    is a new chance: the accidents before it stay on record and count no more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, accident: Accident) -> None:
        """Store an accident with the time of now; raises KarvanError where the database can't be written."""
        now = datetime.now(UTC)
        with self._database.write() as transaction:
            at = moment_text(now) if transaction.dialect == "sqlite" else now
            transaction.execute(
                "INSERT INTO k_accident (at, plugin, version, hook, why, stack, counts)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    at, accident.plugin, accident.version, accident.hook, accident.why,
                    accident.stack[:STACK_MAX], True,
                ),
            )  # fmt: skip
            transaction.execute(
                "DELETE FROM k_accident WHERE plugin = ? AND id NOT IN (SELECT id FROM k_accident"
                " WHERE plugin = ? ORDER BY id DESC LIMIT ?)",
                (accident.plugin, accident.plugin, KEPT),
            )
            # every process looks at the next request who is suspended
            transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")

    def suspended(self) -> Mapping[str, Suspension]:
        """The plugins whose last version that had an accident is suspended, by plugin."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT at, plugin, version, hook, why, stack FROM k_accident WHERE counts = ? ORDER BY id",
                (True,),
            )
        found: dict[str, list[Accident]] = {}
        for one in map(_accident, rows):
            found.setdefault(one.plugin, []).append(one)
        return {
            plugin: Suspension(version=of_it[-1].version, why=why)
            for plugin, of_it in found.items()
            if (why := _why_suspended([a for a in of_it if a.version == of_it[-1].version]))
        }

    def give_chance(self, plugin: str) -> None:
        """Let the accidents of a plugin count no more; they stay on record."""
        with self._database.write() as transaction:
            transaction.execute("UPDATE k_accident SET counts = ? WHERE plugin = ?", (False, plugin))

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


def _why_suspended(accidents: Sequence[Accident]) -> str:
    """Whole sentences, or empty where these accidents of one version don't suspend it."""
    at_import = [a for a in accidents if a.hook == IMPORT]
    if not at_import and len(accidents) < CALLS_MAX:
        return ""
    last = (at_import or accidents)[-1]
    times = "when it was imported" if at_import else f"{len(accidents)} times"
    return (
        f"It is suspended: it ended a process {times}, last in '{last.hook}'. {last.why} Install another "
        "version, or disable it; to try it again, disable and enable it."
    )


def _accident(row: Sequence[Any]) -> Accident:
    at, plugin, version, hook, why, stack = row
    moment = read_moment(at) if isinstance(at, str) else at
    return Accident(plugin=plugin, version=version, hook=hook, why=why, stack=stack, at=moment)
