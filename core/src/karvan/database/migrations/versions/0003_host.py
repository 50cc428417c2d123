"""The host, deepened: what it remembers of how plugins fare and of what was set."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables, part by part; each part stands in a function of its own."""
