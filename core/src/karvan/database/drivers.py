"""How a driver connection of each engine is opened and set up; nothing else calls `connect`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import psycopg
from psycopg.types.string import TextLoader
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from karvan_sdk.errors import BadInput, Unavailable

try:
    from pysqlite3 import dbapi2 as _bundled
except ImportError:  # no wheel for this platform: the interpreter's own SQLite serves
    _bundled = None

Dialect = Literal["sqlite", "postgresql"]
BUSY_TIMEOUT_MS = 20_000
SAFE_WAL = (3, 51, 3)
"""From here on SQLite is free of the WAL-reset corruption of 3.7.0 to 3.51.2."""

sqlite_module: ModuleType = _bundled or sqlite3


def parse_url(text: str) -> tuple[Dialect, URL]:
    """The engine and address of a database URL; raises BadInput that names it without its password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise BadInput("The database_url can't be read.", field="database_url") from None
    name = url.get_backend_name()
    if name == "sqlite":
        if not url.database or url.database == ":memory:":
            raise BadInput("A SQLite database needs a file: sqlite:///path/to/file.", field="database_url")
        return "sqlite", url
    if name == "postgresql":
        return "postgresql", url.set(drivername="postgresql")
    raise BadInput(
        f"The database_url names '{name}'; Karvan runs on sqlite and postgresql.", field="database_url"
    )


def open_sqlite(url: URL) -> Any:
    """A SQLite connection in autocommit mode with the settings that every connection of Karvan has.

    An SQLite that has the WAL-reset bug gets a rollback journal: slower, never damaged.
    """
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite_module.connect(
        str(path), timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, cached_statements=512,
        check_same_thread=False,
    )  # fmt: skip
    safe = sqlite_module.sqlite_version_info >= SAFE_WAL
    connection.execute(f"PRAGMA journal_mode={'WAL' if safe else 'DELETE'}").fetchone()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA cache_size=-32000")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def open_postgresql(url: URL, *, raw_values: bool) -> psycopg.Connection[Any]:
    """A PostgreSQL connection in autocommit mode, in UTC.

    With `raw_values`, numeric and date arrive as text: exactly the JSON form, without a Python object
    in between. Every statement is prepared at its first use, since the hot texts come again and again.
    """
    connection = psycopg.connect(
        url.render_as_string(hide_password=False),
        autocommit=True,
        prepare_threshold=1 if raw_values else 5,
        options="-c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=0",
    )
    if raw_values:
        connection.prepared_max = 500
        connection.adapters.register_loader("numeric", TextLoader)
        connection.adapters.register_loader("date", TextLoader)
    return connection


def is_unreachable(error: BaseException) -> bool:
    """Whether a driver's error says that the database is gone, busy for too long, or full."""
    if isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.OperationalError)
    if isinstance(error, sqlite_module.OperationalError):
        text = str(error).lower()
        return any(word in text for word in ("locked", "unable to open", "disk i/o", "full", "readonly"))
    return False


def unavailable() -> Unavailable:
    """The error for a database that can't be reached or written now."""
    return Unavailable(retry_after=5)


DRIVER_ERRORS: tuple[type[Exception], ...] = (psycopg.Error, sqlite_module.Error)
INTEGRITY_ERRORS: tuple[type[Exception], ...] = (psycopg.IntegrityError, sqlite_module.IntegrityError)
GONE_ERRORS: tuple[type[Exception], ...] = (
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedTable,
    sqlite_module.OperationalError,
)
"""What a statement raises that names a table or column which a purge has dropped since it was made."""
