"""The outbox: events wait here from the commit of their cause until they are delivered.

A row is written in the transaction of its cause and nowhere else, so a failed commit emits nothing.
"""

from __future__ import annotations

COLUMNS = ("at", "event", "object", "record_id", "actor_id", "source", "payload")
"""`event` is `record.created` and the like, `object` a uid, `payload` the changes: field uid → [old, new]."""

INSERT = f"INSERT INTO k_outbox ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
"""Writes one event; many go by `Transaction.insert_many("k_outbox", COLUMNS, …)`."""
