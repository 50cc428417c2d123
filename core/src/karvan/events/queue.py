"""Work that waits in a table: claimed under a lease by one worker, tried again, laid aside in the end.

Deliveries and jobs share it. A claim is a random text: whoever lost it meanwhile changes nothing any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from karvan.database import Connection, Database, Transaction
from karvan.metadata.kinds import moment_text

CLAIM_S = 60.0
ATTEMPTS_MAX = 8
BACKOFF_S = (1, 5, 30, 120, 600, 1800, 3600, 3600)
GONE = "The plugin never came back; its worker was ended each time."


class Queue:
    """The rows of one table: id, state (waiting, dead), attempts, due_at, claim, last_error, and more."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def lay_aside(self, transaction: Transaction) -> None:
        """What was claimed once too often and never answered: its worker was ended each time."""
        transaction.execute(
            f"UPDATE {self._table} SET state = 'dead', claim = '', last_error = ?"
            " WHERE state = 'waiting' AND due_at <= ? AND attempts >= ?",
            (GONE, stored(datetime.now(UTC), transaction), ATTEMPTS_MAX),
        )

    def take(self, transaction: Transaction, ids: Sequence[int]) -> str:
        """Claim rows for `CLAIM_S`, count the attempt, and give the claim."""
        claim = secrets.token_hex(8)
        until = stored(datetime.now(UTC) + timedelta(seconds=CLAIM_S), transaction)
        transaction.execute_many(
            f"UPDATE {self._table} SET attempts = attempts + 1, due_at = ?, claim = ? WHERE id = ?",
            [(until, claim, id_) for id_ in ids],
        )
        return claim

    def done(self, ids: Sequence[int], claim: str) -> None:
        """The work was done: the rows go. Those that another worker took over by now stay."""
        self._finish(f"DELETE FROM {self._table} WHERE id = ? AND claim = ?", (), ids, claim)

    def later(self, ids: Sequence[int], claim: str, seconds: float) -> None:
        """Another turn was asked for: no attempt is counted."""
        text = (
            f"UPDATE {self._table} SET attempts = attempts - 1, due_at = ?, claim = ''"
            " WHERE id = ? AND claim = ?"
        )
        self._finish(text, (self._due(max(0.0, seconds)),), ids, claim)

    def failed(self, ids: Sequence[int], claim: str, *, attempts: int, why: str) -> None:
        """Try again later and later; after `ATTEMPTS_MAX` attempts the rows are laid aside."""
        wait = BACKOFF_S[min(attempts, len(BACKOFF_S)) - 1]
        state = "dead" if attempts >= ATTEMPTS_MAX else "waiting"
        text = (
            f"UPDATE {self._table} SET state = ?, due_at = ?, claim = '', last_error = ?"
            " WHERE id = ? AND claim = ?"
        )
        self._finish(text, (state, self._due(wait), why[:1000]), ids, claim)

    def _finish(self, text: str, params: tuple[Any, ...], ids: Sequence[int], claim: str) -> None:
        with self._database.write() as transaction:
            transaction.execute_many(text, [(*params, id_, claim) for id_ in ids])

    def _due(self, seconds: float) -> Any:
        due = datetime.now(UTC) + timedelta(seconds=seconds)
        return moment_text(due) if self._database.dialect == "sqlite" else due


def stored(value: datetime, connection: Connection) -> Any:
    """A moment as this engine keeps it."""
    return moment_text(value) if connection.dialect == "sqlite" else value


def skip_locked(connection: Connection) -> str:
    """What makes a SELECT take rows that no other worker holds."""
    return " FOR UPDATE SKIP LOCKED" if connection.dialect == "postgresql" else ""
