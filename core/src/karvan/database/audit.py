"""The audit: who changed what of the workspace itself, and when. The only module that touches `k_audit`.

An entry is written in the transaction of its cause. `subject` is a path: `plugin/telephony`,
`plugin/telephony/settings/country`, and with `/user/4` behind it what that person set for himself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from karvan.database.connection import Connection, Transaction


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One act. `before` and `after` are JSON values, None where there was or is nothing."""

    id: int
    at: datetime
    actor_id: int | None
    action: str
    subject: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """Entries, the newest first; `next` is the `before` of the page that follows, None at the end."""

    entries: tuple[Entry, ...]
    next: int | None


def append(
    transaction: Transaction,
    actor_id: int | None,
    action: str,
    subject: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Write one entry, now; None as the actor is the system."""
    now = datetime.now(UTC)
    at = now.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    transaction.execute(
        "INSERT INTO k_audit (at, actor_id, action, subject, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (
            at if transaction.dialect == "sqlite" else now,
            actor_id,
            action,
            subject,
            _text(before),
            _text(after),
        ),
    )


def read(
    connection: Connection, *, subject: str = "", limit: int = 50, before: int | None = None
) -> AuditPage:
    """The newest entries about `subject` and everything below it; about everything if it is empty."""
    rows = connection.fetchall(
        "SELECT id, at, actor_id, action, subject, before, after FROM k_audit"
        " WHERE (? = '' OR subject = ? OR substr(subject, 1, length(?)) = ?) AND id < ?"
        " ORDER BY id DESC LIMIT ?",
        (subject, subject, f"{subject}/", f"{subject}/", before or 2**62, limit + 1),
    )
    found = tuple(
        Entry(
            id=r[0],
            at=datetime.fromisoformat(r[1]) if isinstance(r[1], str) else r[1],
            actor_id=r[2],
            action=r[3],
            subject=r[4],
            before=_value(r[5]),
            after=_value(r[6]),
        )
        for r in rows[:limit]
    )
    return AuditPage(entries=found, next=found[-1].id if len(rows) > limit else None)


def hide_values(transaction: Transaction, subject: str, shown: Any) -> None:
    """Put `shown` in place of what was set before: the subject, and what is below it, became a secret."""
    text = _text(shown)
    for column in ("before", "after"):
        transaction.execute(
            f"UPDATE k_audit SET {column} = ?"
            f" WHERE {column} IS NOT NULL AND (subject = ? OR substr(subject, 1, length(?)) = ?)",
            (text, subject, f"{subject}/", f"{subject}/"),
        )


def _text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _value(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
