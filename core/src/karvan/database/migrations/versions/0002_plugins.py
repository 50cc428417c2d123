"""The host: settings of plugins, places of widgets, deliveries of events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from karvan.database.models import Moment

revision = "0002"
down_revision = "0001"

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
    """Add what the host keeps of plugins."""
    op.create_table(
        "k_setting",
        _column("plugin", TEXT, key=True),
        _column("name", TEXT, key=True),
        _column("value", TEXT),
    )
    op.create_table(
        "k_layout",
        _id(),
        _column("scope", TEXT),
        sa.Column("scope_id", BIG, nullable=False),
        _column("slot", TEXT),
        _column("widget", TEXT),
        _column("enabled", sa.Boolean(), empty=True),
        _column("rank", sa.Float(), empty=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_layout_place", "k_layout", ["scope", "scope_id", "slot", "widget"], unique=True)
    op.create_table(
        "k_delivery",
        _id(),
        _column("event_id", BIG),
        _column("plugin", TEXT),
        _column("hook", TEXT),
        _column("object", TEXT),
        _column("event", TEXT),
        _column("record_id", BIG),
        _column("at", Moment()),
        _column("actor_id", BIG, empty=True),
        _column("source", TEXT),
        _column("payload", TEXT),
        _column("state", TEXT),
        _column("attempts", sa.Integer()),
        _column("due_at", Moment()),
        _column("claim", TEXT),
        _column("last_error", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_k_delivery_due", "k_delivery", ["state", "due_at", "id"])
    op.create_index("ix_k_delivery_plugin", "k_delivery", ["plugin"])
