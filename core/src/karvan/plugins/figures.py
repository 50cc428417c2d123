"""What calls of plugin code cost: counted in memory by any thread, added up over processes in `k_figure`."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from karvan.database import Database
from karvan.database.drivers import DRIVER_ERRORS
from karvan.metadata.kinds import moment_text, read_moment
from karvan_sdk.errors import KarvanError

BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000)
"""The upper ends of the classes of times; one more class has no end."""
PERIOD_S = 10.0
"""How often a process writes its figures at most."""
KEPT = timedelta(days=7)
"""How long the figures of an hour are kept."""
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""The hour of the row that adds up all hours, those that went as well: a counter must never go down."""
FAILURES: tuple[type[Exception], ...] = (KarvanError, *DRIVER_ERRORS)
log = logging.getLogger("karvan.plugins")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What the calls of one hook of one plugin cost.

    `queries` are statements that the calls sent to the database. `classes` are the calls by time: how many
    took at most `BUCKETS_MS[i]`, and last those that took longer. `last_error_at` is in UTC.
    """

    plugin: str
    hook: str
    calls: int = 0
    errors: int = 0
    over_budget: int = 0
    queries: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0
    classes: tuple[int, ...] = (0,) * (len(BUCKETS_MS) + 1)
    last_error: str = ""
    last_error_at: datetime | None = None

    @property
    def p95_ms(self) -> float:
        """The time that 95 of 100 calls kept to: the end of the class it falls in, at most `max_ms`."""
        wanted, seen = 0.95 * sum(self.classes), 0
        for end, count in zip(BUCKETS_MS, self.classes, strict=False):
            seen += count
            if seen >= wanted:
                return min(float(end), self.max_ms)
        return self.max_ms

    def plus(self, other: Figure) -> Figure:
        """Both together."""
        last = max(self, other, key=lambda one: one.last_error_at or ALWAYS)
        return replace(
            self,
            calls=self.calls + other.calls,
            errors=self.errors + other.errors,
            over_budget=self.over_budget + other.over_budget,
            queries=self.queries + other.queries,
            total_ms=self.total_ms + other.total_ms,
            max_ms=max(self.max_ms, other.max_ms),
            classes=tuple(a + b for a, b in zip(self.classes, other.classes, strict=True)),
            last_error=last.last_error,
            last_error_at=last.last_error_at,
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the API."""
        return {
            "hook": self.hook,
            "calls": self.calls,
            "errors": self.errors,
            "over_budget": self.over_budget,
            "queries": self.queries,
            "total_ms": round(self.total_ms, 3),
            "max_ms": round(self.max_ms, 3),
            "p95_ms": round(self.p95_ms, 3),
            "last_error": self.last_error,
            "last_error_at": moment_text(self.last_error_at) if self.last_error_at else None,
        }


Key = tuple[str, str]
"""(plugin, hook)"""


class Figures:
    """The figures of this process: what was counted since it began, and what of it is not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[Key, _Tally] = {}
        self._written: dict[Key, Figure] = {}

    def count(self, plugin: str, hook: str, budget_ms: float, ms: float, queries: int = 0) -> None:
        """Count a call that took `ms` and sent `queries` statements."""
        with self._lock:
            tally = self._tally(plugin, hook)
            tally.calls += 1
            tally.over_budget += ms > budget_ms
            tally.queries += queries
            tally.total_ms += ms
            if ms > tally.max_ms:
                tally.max_ms = ms
            tally.classes[bisect_left(BUCKETS_MS, ms)] += 1

    def count_error(self, plugin: str, hook: str, error: str) -> None:
        """Count a failure, with what it says."""
        with self._lock:
            tally = self._tally(plugin, hook)
            tally.errors += 1
            tally.last_error, tally.last_error_at = error, datetime.now(UTC)

    def all(self) -> tuple[Figure, ...]:
        """All since this process began, by plugin and hook."""
        with self._lock:
            return add_up([*self._written.values(), *self._unwritten()])

    def unwritten(self) -> tuple[Figure, ...]:
        """What is not in the database yet."""
        with self._lock:
            return tuple(self._unwritten())

    def take(self) -> tuple[Figure, ...]:
        """What is not in the database yet, to be written by who takes it."""
        with self._lock:
            taken = tuple(self._unwritten())
            for one in taken:
                key = (one.plugin, one.hook)
                known = self._written.get(key)
                self._written[key] = known.plus(one) if known else one
            self._new = {}
            return taken

    def _tally(self, plugin: str, hook: str) -> _Tally:
        key = (plugin, hook)
        found = self._new.get(key)
        if found is None:
            found = self._new[key] = _Tally()
        return found

    def _unwritten(self) -> list[Figure]:
        return [tally.figure(*key) for key, tally in sorted(self._new.items())]


class _Tally:
    """A figure that is being counted; changed under the lock of its `Figures`."""

    __slots__ = (
        "calls", "classes", "errors", "last_error", "last_error_at", "max_ms", "over_budget", "queries",
        "total_ms",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.errors = self.over_budget = self.queries = 0
        self.total_ms = self.max_ms = 0.0
        self.classes = [0] * (len(BUCKETS_MS) + 1)
        self.last_error = ""
        self.last_error_at: datetime | None = None

    def figure(self, plugin: str, hook: str) -> Figure:
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return Figure(plugin=plugin, hook=hook, **{**values, "classes": tuple(self.classes)})


def add_up(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """One figure per plugin and hook, in their order."""
    found: dict[Key, Figure] = {}
    for one in figures:
        key = (one.plugin, one.hook)
        found[key] = found[key].plus(one) if key in found else one
    return tuple(found[key] for key in sorted(found))


class FigureStore:
    """The figures of all processes of a workspace, as its table `k_figure` keeps them by the hour."""

    def __init__(self, database: Database, figures: Figures) -> None:
        self._database = database
        self._figures = figures
        self._due = monotonic() + PERIOD_S
        self._lock = threading.Lock()

    def write_when_due(self) -> None:
        """Write what was counted, at most every `PERIOD_S`; cheap when it is not time, and never raises.

        It waits for no other writer, and is left for later inside a transaction.
        """
        if monotonic() < self._due or self._database.is_busy or not self._database.is_writable_now():
            return
        self.write()

    def write(self) -> None:
        """Write what was counted. A failure is logged, and what could not be written is not tried again."""
        with self._lock:
            self._due = monotonic() + PERIOD_S
            taken = self._figures.take()
            if not taken:
                return
            try:
                self._add(taken, datetime.now(UTC))
            except FAILURES as exc:
                log.warning("Figures of plugins could not be written: %s", exc)

    def of(self, plugin: str) -> tuple[Figure, ...]:
        """The figures of a plugin by hook, of the last seven days; this process's newest with them."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                _SELECT + " WHERE plugin = ? AND hour > ?",
                (plugin, _stored(datetime.now(UTC) - KEPT, connection.dialect)),
            )
        return add_up([*map(_figure, rows), *(f for f in self._figures.unwritten() if f.plugin == plugin)])

    def always(self) -> tuple[Figure, ...]:
        """The figures of all plugins since they were first called; this process's newest with them."""
        with self._database.read() as connection:
            rows = connection.fetchall(_SELECT + " WHERE hour = ?", (_stored(ALWAYS, connection.dialect),))
        return add_up([*map(_figure, rows), *self._figures.unwritten()])

    def _add(self, figures: Sequence[Figure], now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._database.write() as transaction:
            dialect = transaction.dialect
            # a plugin that was purged meanwhile, maybe by another process, leaves nothing behind
            there = {row[0] for row in transaction.fetchall("SELECT id FROM k_plugin", ())}
            # in one order in all processes, so that none waits for another that waits for it
            transaction.execute_many(
                _UPSERT,
                [
                    _row(figure, _stored(at, dialect), dialect)
                    for figure in add_up(figures)
                    if figure.plugin in there
                    for at in (ALWAYS, hour)
                ],
            )
            transaction.execute(
                "DELETE FROM k_figure WHERE hour < ? AND hour > ?",
                (_stored(now - KEPT, dialect), _stored(ALWAYS, dialect)),
            )


_ADDED = ("calls", "errors", "over_budget", "queries", "total_ms")
_CLASSES = tuple(f"class_{number}" for number in range(len(BUCKETS_MS) + 1))
_COLUMNS = ("plugin", "hook", "hour", *_ADDED, "max_ms", "last_error", "last_error_at", *_CLASSES)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM k_figure"
_SUMS = ", ".join(f"{name} = k_figure.{name} + excluded.{name}" for name in (*_ADDED, *_CLASSES))
_LATER = ", ".join(
    f"{name} = CASE WHEN excluded.last_error_at IS NULL THEN k_figure.{name} ELSE excluded.{name} END"
    for name in ("last_error", "last_error_at")
)
_UPSERT = (
    f"INSERT INTO k_figure ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    f" ON CONFLICT (plugin, hook, hour) DO UPDATE SET {_SUMS}, {_LATER}, max_ms ="
    " CASE WHEN excluded.max_ms > k_figure.max_ms THEN excluded.max_ms ELSE k_figure.max_ms END"
)


def _stored(at: datetime, dialect: str) -> Any:
    return moment_text(at) if dialect == "sqlite" else at


def _row(one: Figure, hour: Any, dialect: str) -> tuple[Any, ...]:
    at = None if one.last_error_at is None else _stored(one.last_error_at, dialect)
    return (
        one.plugin, one.hook, hour, one.calls, one.errors, one.over_budget, one.queries, one.total_ms,
        one.max_ms, one.last_error, at, *one.classes,
    )  # fmt: skip


def _figure(row: Sequence[Any]) -> Figure:
    found: Mapping[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    at = found["last_error_at"]
    return Figure(
        **{name: found[name] for name in ("plugin", "hook", *_ADDED, "max_ms", "last_error")},
        last_error_at=read_moment(at) if isinstance(at, str) else at,
        classes=tuple(found[name] for name in _CLASSES),
    )
