"""The host, deepened: what it remembers of how plugins fare and of what was set."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from karvan.database.models import Moment

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger()
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()


def _column(
    name: str, type_: sa.types.TypeEngine[Any], *, empty: bool = False, key: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=empty, primary_key=key, autoincrement=False)


def _id() -> sa.Column[Any]:
    return sa.Column("id", ID, primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Add the tables, part by part; each part stands in a function of its own."""
    _scope_settings()
    _add_audit()
    _add_accidents()
    _add_suspensions()
    _add_jobs()
    _add_secrets()
    _add_figures()


def _add_accidents() -> None:
    """Processes that ended while code of a plugin was on top of them."""
    op.create_table(
        "k_accident",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("at", Moment(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("plugin", "version", "hook", "why", "stack")
        ),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_accident_plugin", "k_accident", ["plugin"])


def _add_jobs() -> None:
    """Work that plugins put off to a worker."""
    op.create_table(
        "k_job",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_job_key", "k_job", ["plugin", "name", "key"], unique=True)
    op.create_index("ix_k_job_due", "k_job", ["state", "due_at", "id"])


def _add_secrets() -> None:
    """What plugins keep sealed."""
    op.create_table(
        "k_secret",
        sa.Column("plugin", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
    )


def _add_suspensions() -> None:
    """Plugins that are not called, for they kept failing, and what plugins last asked of records."""
    op.create_table(
        "k_suspension",
        sa.Column("plugin", sa.Text(), primary_key=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("hook", "error", "trace")),
    )
    op.create_table(
        "k_restriction",
        *(sa.Column(name, sa.Text(), primary_key=True) for name in ("plugin", "object", "action")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("condition", "edition")),
    )


def _scope_settings() -> None:
    """Settings get scopes: what was set until now holds for all. Secrets are sealed by who migrates: see
    `karvan.plugins.settings`."""
    kept = list(op.get_bind().execute(sa.text("SELECT plugin, name, value FROM k_setting")))
    op.drop_table("k_setting")
    table = op.create_table(
        "k_setting",
        _column("plugin", TEXT, key=True),
        _column("name", TEXT, key=True),
        _column("scope", TEXT, key=True),
        _column("scope_id", BIG, key=True),
        _column("value", TEXT),
    )
    assert table is not None
    op.bulk_insert(
        table,
        [
            {"plugin": plugin, "name": name, "scope": "system", "scope_id": 0, "value": value}
            for plugin, name, value in kept
        ],
    )
    op.create_table(
        "k_setting_lock",
        _column("plugin", TEXT, key=True),
        _column("name", TEXT, key=True),
        _column("reason", TEXT),
    )


def _add_audit() -> None:
    op.create_table(
        "k_audit",
        _id(),
        _column("at", Moment()),
        _column("actor_id", BIG, empty=True),
        _column("action", TEXT),
        _column("subject", TEXT),
        _column("before", TEXT, empty=True),
        _column("after", TEXT, empty=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_audit_subject", "k_audit", ["subject", "id"])


def _add_figures() -> None:
    """What calls of plugin code cost, by the hour; the row of 1970 adds up all hours."""
    op.create_table(
        "k_figure",
        sa.Column("plugin", sa.Text(), primary_key=True),
        sa.Column("hook", sa.Text(), primary_key=True),
        sa.Column("hour", Moment(), primary_key=True),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("calls", "errors", "over_budget", "queries")
        ),
        sa.Column("total_ms", sa.Double(), nullable=False),
        sa.Column("max_ms", sa.Double(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("last_error_at", Moment(), nullable=True),
        *(sa.Column(f"class_{number}", sa.BigInteger(), nullable=False) for number in range(15)),
    )
    op.create_index("ix_k_figure_hour", "k_figure", ["hour"])
