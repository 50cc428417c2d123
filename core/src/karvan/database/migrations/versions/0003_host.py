"""The host, deepened: what it remembers of how plugins fare and of what was set."""

import sqlalchemy as sa
from alembic import op

from karvan.database.models import Moment

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables, part by part; each part stands in a function of its own."""
    _add_accidents()
    _add_suspensions()
    _add_jobs()
    _add_secrets()


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
