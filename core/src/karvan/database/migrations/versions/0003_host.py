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
