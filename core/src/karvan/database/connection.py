"""The kept connection of a thread, reads on it, and the one kind of transaction.

Records travel over a driver connection that a worker opens once and keeps (per-request check-out costs
140 to 180 µs); SQLAlchemy's engine carries DDL, Alembic and admin code. All text is written with `?` for
its values; PostgreSQL's spelling is made here, once per text.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import event

from karvan.database.drivers import (
    DRIVER_ERRORS,
    Dialect,
    is_unreachable,
    open_postgresql,
    open_sqlite,
    parse_url,
    sqlite_module,
    unavailable,
)

Row = Sequence[Any]
IDLE = psycopg.pq.TransactionStatus.IDLE
INERROR = psycopg.pq.TransactionStatus.INERROR


@lru_cache(maxsize=2048)
def _percent(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s")


class Shelter:
    """Around code that may fail inside a transaction which must go on: a savepoint, set only before the first
    statement. What the code wrote is undone when it raises, or when it hid a statement that failed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_set = False

    def __enter__(self) -> Shelter:
        self._connection.shelters.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.shelters.pop()
        if not self._is_set or self._is_lost():
            return
        if kind is not None or self._is_aborted():
            self._connection._run("ROLLBACK TO SAVEPOINT karvan_shelter")
        self._connection._run("RELEASE SAVEPOINT karvan_shelter")

    def set(self) -> None:
        """Set the savepoint unless it stands."""
        if not self._is_set:
            self._connection._run("SAVEPOINT karvan_shelter")
            self._is_set = True

    def _is_lost(self) -> bool:
        """Whether the connection is gone, and with it the transaction; the next statement says so."""
        return self._connection.dialect == "postgresql" and bool(self._connection.raw.closed)

    def _is_aborted(self) -> bool:
        raw = self._connection.raw
        return self._connection.dialect == "postgresql" and raw.info.transaction_status == INERROR


class Tally:
    """How many statements a thread has sent, however many connections it had."""

    __slots__ = ("statements",)

    def __init__(self) -> None:
        self.statements = 0


class Connection:
    """A driver connection as the upper floors see it. Values are always bound, written `?` in the text."""

    def __init__(
        self,
        raw: Any,
        dialect: Dialect,
        shelters: list[Shelter] | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.raw = raw
        self.dialect: Dialect = dialect
        self.shelters: list[Shelter] = [] if shelters is None else shelters
        self.tally = tally or Tally()

    def execute(self, text: str, params: Sequence[Any] = ()) -> Any:
        """Run one statement and give its cursor (`fetchone`, `fetchall`, `rowcount`).

        Raises Unavailable where the database can't be reached; other driver errors pass through.
        """
        if self.shelters:
            self._set_savepoints()
        self.tally.statements += 1
        return self._run(text, params)

    def _set_savepoints(self) -> None:
        """Before a statement of sheltered code: the savepoints that stand out, outermost first."""
        for shelter in self.shelters:
            shelter.set()

    def _run(self, text: str, params: Sequence[Any] = ()) -> Any:
        try:
            if self.dialect == "postgresql":
                return self.raw.execute(_percent(text), params) if params else self.raw.execute(text)
            return self.raw.execute(text, params)
        except DRIVER_ERRORS as exc:
            if is_unreachable(exc):
                raise unavailable() from exc
            raise

    def fetchall(self, text: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of one statement."""
        found: list[Row] = self.execute(text, params).fetchall()
        return found

    def fetchone(self, text: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of one statement, or None."""
        found: Row | None = self.execute(text, params).fetchone()
        return found

    def stream(self, text: str, params: Sequence[Any] = (), batch: int = 1000) -> Iterator[list[Row]]:
        """The rows of one statement in batches, in bounded memory (inside a transaction on PostgreSQL)."""
        if self.dialect == "postgresql":
            self._set_savepoints()
            self.tally.statements += 1
            with self.raw.cursor(name="karvan_stream") as cursor:
                cursor.execute(_percent(text), params)
                while rows := cursor.fetchmany(batch):
                    yield rows
            return
        cursor = self.execute(text, params)
        while rows := cursor.fetchmany(batch):
            yield rows


class Transaction(Connection):
    """A write transaction. It commits when its block ends well, else rolls back; then `done` says which."""

    def __init__(
        self,
        raw: Any,
        dialect: Dialect,
        shelters: list[Shelter] | None = None,
        tally: Tally | None = None,
    ) -> None:
        super().__init__(raw, dialect, shelters, tally)
        self._after: list[Callable[[], None]] = []

    def after_commit(self, act: Callable[[], None]) -> None:
        """Have `act` called once the commit has succeeded; never after a failed one."""
        self._after.append(act)

    def run_after_commit(self) -> None:
        """Call what asked for it; the database layer does so after the commit."""
        for act in self._after:
            act()

    def next_ids(self, table: str, count: int) -> range | list[int]:
        """Reserve `count` record ids of a table (a catalog name)."""
        if self.dialect == "postgresql":
            text = "SELECT nextval(pg_get_serial_sequence(?, 'id')) FROM generate_series(1, ?)"
            return [row[0] for row in self.fetchall(text, (f'"{table}"', count))]
        row = self.fetchone("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        first = (row[0] if row else 0) + 1
        return range(first, first + count)

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows at the engine's best speed; names come from the catalog, values are bound."""
        if not rows:
            return
        self._set_savepoints()
        self.tally.statements += 1
        names = ", ".join(f'"{c}"' for c in columns)
        if self.dialect == "postgresql":
            with self.raw.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join("?" * len(columns))
        self.raw.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', rows)

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement once per row of values."""
        self._set_savepoints()
        self.tally.statements += 1
        if self.dialect == "postgresql":
            self.raw.cursor().executemany(_percent(text), rows)
        else:
            self.raw.executemany(text, rows)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A nested block: what it wrote is undone when it raises, the transaction goes on."""
        self.execute("SAVEPOINT karvan")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO SAVEPOINT karvan")
            self.execute("RELEASE SAVEPOINT karvan")
            raise
        self.execute("RELEASE SAVEPOINT karvan")


class Database:
    """One database: the kept connection of each thread, and SQLAlchemy's engine for DDL and admin code."""

    def __init__(self, url: str) -> None:
        self.dialect, self.url = parse_url(url)
        self._local = threading.local()
        self._opened: list[tuple[int, Any]] = []
        self._lock_path = f"{self.url.database}-writer" if self.dialect == "sqlite" else ""
        self.engine = self._make_engine()

    @property
    def is_busy(self) -> bool:
        """Whether a transaction is open on this thread."""
        return bool(getattr(self._local, "depth", 0)) and getattr(self._local, "pid", None) == os.getpid()

    @property
    def statements(self) -> int:
        """How many statements this thread has sent since it last left."""
        tally: Tally | None = getattr(self._local, "tally", None)
        return tally.statements if tally else 0

    def is_writable_now(self) -> bool:
        """Whether nobody holds off other writers just now, as far as that can be told (SQLite)."""
        if not self._lock_path or not Path(self._lock_path).exists():
            return True
        with open(self._lock_path, "rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    # -- the kept connection ---------------------------------------------------------------------------

    def kept(self) -> Connection:
        """This thread's connection in autocommit mode, opened at the first call in this process."""
        local = self._local
        if getattr(local, "pid", None) != os.getpid():  # a forked child never uses its parent's socket
            local.connection = self._open()
            local.pid = os.getpid()
            local.depth = 0
        connection: Connection = local.connection
        if self.dialect == "postgresql" and connection.raw.closed:
            connection = local.connection = self._open()
            local.depth = 0
        return connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reads; each statement sees the newest committed state. Inside `write` it is that transaction."""
        yield self.kept()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Several reads that see one and the same state."""
        connection = self.kept()
        if self._local.depth:
            yield connection
            return
        begin = "BEGIN" if self.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        connection.execute(begin)
        self._local.depth = 1
        try:
            yield connection
        finally:
            self._local.depth = 0
            self._rollback(connection)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One write transaction; not to be nested. Raises Unavailable when it can't begin or commit."""
        kept = self.kept()
        if self._local.depth:
            raise RuntimeError("A transaction is under way on this thread; hand it down instead.")
        with self._writer_lock():
            transaction = Transaction(kept.raw, self.dialect, kept.shelters, kept.tally)
            transaction.execute("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
            self._local.depth, self._local.transaction = 1, transaction
            try:
                yield transaction
                transaction.execute("COMMIT")
            except BaseException:
                self._rollback(kept)
                raise
            finally:
                self._local.depth, self._local.transaction = 0, None
        transaction.run_after_commit()

    def shelter(self) -> AbstractContextManager[Any]:
        """Around code that may fail while a transaction is open on this thread, which goes on as if that
        code's statements had never been; free of cost where there is no transaction, or no statement."""
        return Shelter(self.kept()) if self.is_busy else nullcontext()

    @contextmanager
    def joined(self) -> Iterator[Transaction]:
        """The transaction that is open on this thread, or one of its own.

        Raises as `write` does, and RuntimeError inside a snapshot.
        """
        current = getattr(self._local, "transaction", None) if self.is_busy else None
        if current is not None:
            yield current
            return
        with self.write() as transaction:
            yield transaction

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold off all other writers of a SQLite database while the engine writes (DDL, migrations)."""
        with self._writer_lock():
            yield

    def leave(self) -> None:
        """Close the connection of this thread, which ends or has done its part."""
        kept = getattr(self._local, "connection", None)
        if kept is not None and self._local.pid == os.getpid():
            self._opened.remove((os.getpid(), kept.raw))
            kept.raw.close()
        self._local.__dict__.clear()

    def close(self) -> None:
        """Close this process's connections."""
        for pid, raw in self._opened:
            if pid == os.getpid():
                raw.close()
        self._opened.clear()
        self._local = threading.local()
        self.engine.dispose()

    # -- inside ----------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        try:
            raw = (
                open_sqlite(self.url)
                if self.dialect == "sqlite"
                else open_postgresql(self.url, raw_values=True)
            )
        except DRIVER_ERRORS as exc:
            raise unavailable() from exc
        self._opened.append((os.getpid(), raw))
        tally = self._local.__dict__.setdefault("tally", Tally())
        return Connection(raw, self.dialect, tally=tally)

    def _rollback(self, connection: Connection) -> None:
        try:
            if self.dialect == "sqlite":
                if connection.raw.in_transaction:
                    connection.raw.execute("ROLLBACK")
            elif not connection.raw.closed and connection.raw.info.transaction_status != IDLE:
                connection.raw.execute("ROLLBACK")
        except DRIVER_ERRORS:
            # the server is gone: nothing was committed, and the next use opens a new connection
            connection.raw.close()
            self._local.pid = None

    @contextmanager
    def _writer_lock(self) -> Iterator[None]:
        """SQLite's busy handler is not fair; writers queue on a lock of their own instead of polling."""
        if not self._lock_path:
            yield
            return
        handle = getattr(self._local, "lock", None)
        if handle is None or self._local.lock_pid != os.getpid():
            Path(self._lock_path).parent.mkdir(parents=True, exist_ok=True)
            handle = self._local.lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._local.lock_pid = os.getpid()
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _make_engine(self) -> sqlalchemy.Engine:
        """The engine for DDL, Alembic and admin code: transactions of its own, DDL inside them too."""
        if self.dialect == "postgresql":
            return sqlalchemy.create_engine(
                "postgresql+psycopg://",
                creator=lambda: self._engine_connection(),
                pool_size=1, max_overflow=4, pool_pre_ping=True,
            )  # fmt: skip
        engine = sqlalchemy.create_engine(
            "sqlite://",
            module=sqlite_module,
            creator=lambda: self._engine_connection(),
            poolclass=sqlalchemy.NullPool,
        )

        @event.listens_for(engine, "begin")
        def begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _engine_connection(self) -> Any:
        if self.dialect == "sqlite":
            return open_sqlite(self.url)
        connection = open_postgresql(self.url, raw_values=False)
        connection.autocommit = False
        return connection
