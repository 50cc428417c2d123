"""The outbox: events wait here from the commit of their cause until they are delivered.

A row is written in the transaction of its cause and nowhere else, so a failed commit emits nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from karvan.database import Transaction
from karvan.metadata.kinds import moment_text

COLUMNS = ("at", "event", "object", "record_id", "actor_id", "source", "payload")
"""`event` is `record.created` and the like, `object` a uid, `payload` the changes: field uid → [old, new]."""

INSERT = f"INSERT INTO k_outbox ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
"""Writes one event; many go by `Transaction.insert_many("k_outbox", COLUMNS, …)`."""

PLUGIN_ENABLED = "plugin.enabled"
"""The event of a plugin that was enabled or upgraded: `object` is its id, `record_id` 0."""


def announce_plugin(transaction: Transaction, plugin: str, actor_id: int | None) -> None:
    """Write the event of a plugin that was enabled or upgraded."""
    now = datetime.now(UTC)
    at = moment_text(now) if transaction.dialect == "sqlite" else now
    transaction.execute(INSERT, (at, PLUGIN_ENABLED, plugin, 0, actor_id, "plugins", "{}"))
