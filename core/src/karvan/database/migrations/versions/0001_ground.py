"""The ground: state, metadata rows, ledger, plugins, people, history, outbox, idempotency."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from karvan.database.models import Moment

revision = "0001"
down_revision = None

BIG = sa.BigInteger()
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()


def _column(
    name: str, type_: sa.types.TypeEngine[Any], *, empty: bool = False, key: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=empty, primary_key=key)


def _id() -> sa.Column[Any]:
    return sa.Column("id", ID, primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Make the tables of 0.1."""
    op.create_table("k_state", sa.Column("id", sa.Integer(), primary_key=True), _column("version", BIG))
    op.execute(sa.text("INSERT INTO k_state (id, version) VALUES (1, 1)"))
    op.create_table(
        "k_definition",
        _column("uid", TEXT, key=True),
        *(_column(n, TEXT) for n in ("kind", "owner", "parent", "name", "physical", "shipped", "override")),
        _column("detached", sa.Boolean()),
        _column("position", sa.Integer()),
    )
    op.create_table(
        "k_ledger",
        _id(),
        _column("at", Moment()),
        _column("actor_id", BIG, empty=True),
        *(_column(n, TEXT) for n in ("owner", "action", "kind", "physical", "detail")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_ledger_physical", "k_ledger", ["physical"])
    op.create_table(
        "k_plugin",
        _column("id", TEXT, key=True),
        *(_column(n, TEXT) for n in ("state", "version", "manifest")),
        _column("changed_at", Moment()),
        _column("changed_by", BIG, empty=True),
    )
    op.create_table(
        "k_user",
        _id(),
        sa.Column("email", TEXT, nullable=False, unique=True),
        _column("name", TEXT),
        _column("password_hash", TEXT),
        _column("is_admin", sa.Boolean()),
        _column("active", sa.Boolean()),
        _column("language", TEXT),
        _column("timezone", TEXT),
        _column("perm_version", sa.Integer()),
        _column("created_at", Moment()),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "k_token",
        _column("hash", TEXT, key=True),
        sa.Column("user_id", BIG, nullable=False, index=True),
        _column("name", TEXT),
        _column("created_at", Moment()),
        _column("expires_at", Moment(), empty=True),
        _column("last_used_at", Moment(), empty=True),
    )
    op.create_table(
        "k_session",
        _column("hash", TEXT, key=True),
        sa.Column("user_id", BIG, nullable=False, index=True),
        _column("created_at", Moment()),
        _column("expires_at", Moment()),
    )
    op.create_table(
        "k_history",
        _id(),
        _column("object", TEXT),
        _column("record_id", BIG),
        _column("event", TEXT),
        _column("at", Moment()),
        _column("actor_id", BIG, empty=True),
        _column("source", TEXT),
        _column("version", sa.Integer()),
        _column("changes", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_history_record", "k_history", ["object", "record_id", "id"])
    op.create_table(
        "k_outbox",
        _id(),
        _column("at", Moment()),
        _column("event", TEXT),
        _column("object", TEXT),
        _column("record_id", BIG),
        _column("actor_id", BIG, empty=True),
        _column("source", TEXT),
        _column("payload", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "k_idempotency",
        sa.Column("actor_id", BIG, primary_key=True, autoincrement=False),
        _column("key", TEXT, key=True),
        _column("request_hash", TEXT),
        _column("status", sa.Integer()),
        _column("body", TEXT),
        _column("headers", TEXT),
        sa.Column("created_at", Moment(), nullable=False, index=True),
    )
