"""The static tables: made by Alembic, described by the models, refused where they could not work."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import make_url

from karvan.database import Database
from karvan.database.migrate import is_current, migrate
from karvan.database.models import Moment, db
from karvan.settings import Settings
from karvan.testing import postgresql_address, postgresql_database
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError, SchemaRefused

MODELS = {
    "k_state", "k_definition", "k_ledger", "k_plugin", "k_user", "k_token", "k_session", "k_history",
    "k_outbox", "k_idempotency", "k_setting", "k_layout", "k_delivery", "k_job", "k_secret",
    "k_accident", "k_suspension", "k_restriction", "k_setting_lock", "k_audit", "k_figure",
}  # fmt: skip


@pytest.fixture
def empty(engine: str, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if engine == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
        yield made
        made.close()
        return
    with postgresql_database() as url:
        made = Database(url)
        yield made
        made.close()


def test_the_models_are_what_the_migrations_make(empty: Database) -> None:
    migrate(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, db.metadata) == []
    assert set(db.metadata.tables) == MODELS


def test_migrating_twice_changes_nothing(empty: Database) -> None:
    assert not is_current(empty)
    migrate(empty)
    migrate(empty)
    assert is_current(empty)
    with empty.read() as c:
        assert c.fetchall("SELECT id, version FROM k_state") == [(1, 1)]


def test_a_migration_that_fails_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    create, left = DefaultImpl.create_table, [6]

    def fail(self: DefaultImpl, table: sqlalchemy.Table, **kw: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Broken
        create(self, table, **kw)

    monkeypatch.setattr(DefaultImpl, "create_table", fail)
    with pytest.raises(Broken):
        migrate(empty)
    monkeypatch.undo()
    assert sqlalchemy.inspect(empty.engine).get_table_names() == []
    migrate(empty)
    assert is_current(empty)


def test_an_unmade_workspace_says_what_to_run(empty: Database, tmp_path: Path) -> None:
    url = empty.url.render_as_string(hide_password=False)
    workspace = Workspace(Settings(home=tmp_path, database_url=url))
    with pytest.raises(KarvanError, match="karvan init"):
        workspace.check()
    workspace.close()


@pytest.mark.needs_postgresql
def test_a_postgresql_that_is_not_utf8_is_refused() -> None:
    name = f"karvan_test_{secrets.token_hex(6)}"
    with psycopg.connect(postgresql_address(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    database = Database(
        make_url(postgresql_address()).set(database=name).render_as_string(hide_password=False)
    )
    try:
        with pytest.raises(SchemaRefused, match=r"LC_CTYPE 'C'.*Karvan needs UTF-8"):
            migrate(database)
    finally:
        database.close()
        with psycopg.connect(postgresql_address(), autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_moment_is_stored_in_its_physical_form(empty: Database) -> None:
    migrate(empty)
    at = datetime(2026, 3, 31, 12, 0, 0, 5, tzinfo=UTC)
    table = db.metadata.tables["k_outbox"]
    assert isinstance(table.c.at.type, Moment)
    row = {
        "at": at,
        "event": "record.created",
        "object": "o",
        "record_id": 1,
        "source": "api",
        "payload": "{}",
    }
    with empty.exclusive(), empty.engine.begin() as connection:
        connection.execute(table.insert(), row)
        assert connection.execute(sqlalchemy.select(table.c.at)).scalar_one() == at
    with empty.read() as c:
        raw = c.fetchall("SELECT at FROM k_outbox")[0][0]
    assert raw == ("2026-03-31T12:00:00.000005Z" if empty.dialect == "sqlite" else at)
