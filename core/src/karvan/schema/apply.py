"""The only module that emits DDL, and the one lock under which it does so.

Indexes are built in the transaction of their change. That stops the writers of a table for about a second
per million rows; building them as a job (CONCURRENTLY on PostgreSQL) comes with jobs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import singledispatch
from typing import Any, TypeVar

import psycopg
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.exc import DBAPIError, IntegrityError

from karvan.database import Database, Transaction
from karvan.database.drivers import is_unreachable
from karvan.metadata.kinds import Dialect
from karvan.metadata.tables import Literal, system_columns
from karvan.schema.ledger import may_drop
from karvan.schema.plan import (
    AddColumn,
    CreateIndex,
    CreateTable,
    DropColumn,
    DropIndex,
    DropTable,
    Mark,
    Plan,
    Step,
)
from karvan_sdk.errors import SchemaRefused, Unavailable

LOCK_KEY = 0x6B617276
"""The key of the advisory lock that serialises changes of the schema in one PostgreSQL database."""
LOCK_WAIT = "30s"
TABLE_WAIT = "2s"
"""A waiting ALTER TABLE stops every later reader of the table, so it gives up soon and tries again."""
ATTEMPTS = 8

T = TypeVar("T")


class SchemaTransaction(Transaction):
    """The transaction of a change of the schema: rows as in every other one, and Alembic's operations."""

    def __init__(self, connection: sqlalchemy.Connection, dialect: Dialect) -> None:
        super().__init__(connection.connection.dbapi_connection, dialect)
        self.connection = connection
        self.operations = Operations(MigrationContext.configure(connection))


def change(database: Database, act: Callable[[SchemaTransaction], T]) -> T:
    """Run `act` in one transaction under the schema lock; it commits when `act` returns.

    `act` must change nothing but the database: where a table is locked for long it is run again, and
    Unavailable is raised when that does not help.
    """
    for attempt in range(ATTEMPTS):
        try:
            with _locked(database) as transaction:
                return act(transaction)
        except (DBAPIError, psycopg.Error) as exc:
            cause = exc.orig if isinstance(exc, DBAPIError) else exc
            if not isinstance(cause, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
                if cause is not None and is_unreachable(cause):
                    raise Unavailable(retry_after=5) from exc
                raise
        time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))  # noqa: S311  # jitter, not a secret
    raise Unavailable(retry_after=5)


def apply(transaction: SchemaTransaction, plan: Plan) -> None:
    """Take the steps of a plan. Raises SchemaRefused where data forbids a step or a drop is not guarded."""
    for step in plan.steps:
        _take(step, transaction)


@contextmanager
def _locked(database: Database) -> Iterator[SchemaTransaction]:
    with database.exclusive(), database.engine.begin() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_WAIT}'")
        yield SchemaTransaction(connection, database.dialect)


@singledispatch
def _take(step: Step, transaction: SchemaTransaction) -> None:
    raise TypeError(f"no way to apply {step!r}")


@_take.register
def _create_table(step: CreateTable, transaction: SchemaTransaction) -> None:
    table = Table(step.table, MetaData(), *system_columns(transaction.dialect), sqlite_autoincrement=True)
    transaction.operations.create_table(step.table, *table.columns, sqlite_autoincrement=True)


@_take.register
def _add_column(step: AddColumn, transaction: SchemaTransaction) -> None:
    for spec in step.columns:
        column: Column[Any] = Column(spec.name, Literal(spec.type), nullable=True)
        transaction.operations.add_column(step.table, column)


@_take.register
def _create_index(step: CreateIndex, transaction: SchemaTransaction) -> None:
    index = step.index
    where = sqlalchemy.text(index.where) if index.where else None
    try:
        transaction.operations.create_index(
            index.name,
            index.table,
            list(index.columns),
            unique=index.unique,
            sqlite_where=where,
            postgresql_where=where,
        )
    except IntegrityError as exc:
        raise SchemaRefused(
            f"'{index.columns[0]}' can't be unique: several records hold the same value. Change them first."
        ) from exc


@_take.register
def _drop_index(step: DropIndex, transaction: SchemaTransaction) -> None:
    transaction.operations.drop_index(step.index.name, step.index.table)


@_take.register
def _mark(step: Mark, transaction: SchemaTransaction) -> None:
    """Metadata only: the caller writes the rows."""


@_take.register
def _drop_table(step: DropTable, transaction: SchemaTransaction) -> None:
    _guard(transaction, step.owner, step.table, None)
    transaction.operations.drop_table(step.table)


@_take.register
def _drop_column(step: DropColumn, transaction: SchemaTransaction) -> None:
    _guard(transaction, step.owner, step.table, step.columns[0])
    for column in step.columns:
        transaction.operations.drop_column(step.table, column)


def _guard(transaction: SchemaTransaction, owner: str, table: str, column: str | None) -> None:
    if not may_drop(transaction, owner, table, column):
        what = table if column is None else f"{table}.{column}"
        raise SchemaRefused(f"{owner} may not drop {what}: the ledger or its name says it is not its own.")
