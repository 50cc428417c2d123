"""Calls that take effect once: the answer is stored in the transaction of the effect, and given again.

A second call with the same key waits on the first one's row (PostgreSQL) or for its turn to write (SQLite).
A call that fails leaves nothing, so it may be sent again with the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from karvan.access.actors import Actor
from karvan.api.call import Call
from karvan.api.problems import BadQuery, IdempotencyMismatch
from karvan.api.reply import Reply
from karvan.database import Transaction
from karvan.metadata.kinds import moment_text
from karvan.records.writer import Writer
from karvan_sdk.errors import FieldError

KEPT = timedelta(hours=24)
KEY_MAX = 200
SWEEP_OF_256 = 8
"""How many of 256 calls also delete old rows."""
KEPT_HEADERS = ("ETag", "Location")

_CLAIM = (
    "INSERT INTO k_idempotency (actor_id, key, request_hash, status, body, headers, created_at)"
    " VALUES (?, ?, ?, 0, '', '[]', ?) ON CONFLICT (actor_id, key) DO NOTHING"
)
_FIND = "SELECT request_hash, status, body, headers FROM k_idempotency WHERE actor_id = ? AND key = ?"
_STORE = "UPDATE k_idempotency SET status = ?, body = ?, headers = ? WHERE actor_id = ? AND key = ?"
_EXPIRE = "DELETE FROM k_idempotency WHERE actor_id = ? AND key = ? AND created_at < ?"
_OLD = "SELECT actor_id, key FROM k_idempotency WHERE created_at < ? LIMIT 100"
_SWEEP = {
    "sqlite": f"DELETE FROM k_idempotency WHERE (actor_id, key) IN ({_OLD})",
    # two sweeps at once must not wait for each other crosswise
    "postgresql": f"DELETE FROM k_idempotency WHERE (actor_id, key) IN ({_OLD} FOR UPDATE SKIP LOCKED)",
}


def change(call: Call, body: bytes, act: Callable[[Writer], Reply]) -> Reply:
    """Do a change of records in one transaction; with an Idempotency-Key once, however often it is sent."""
    key = read_key(call)
    with call.workspace.records.write(call.actor, "api") as writer:
        if key is None:
            return act(writer)
        return once(writer.transaction, writer.actor, key, call.hash_request(body), lambda: act(writer))


def read_key(call: Call) -> str | None:
    """The Idempotency-Key of a request; raises BadQuery for one that can't be used."""
    key = call.header("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not (0 < len(key) <= KEY_MAX and key.isascii() and key.isprintable()):
        raise BadQuery(
            [
                FieldError(
                    field="Idempotency-Key",
                    code="bad_key",
                    template="The key must be 1 to {most} printable ASCII characters.",
                    params={"most": KEY_MAX},
                )
            ]
        )
    return key


def once(
    transaction: Transaction, actor: Actor, key: str, request_hash: str, act: Callable[[], Reply]
) -> Reply:
    """The stored answer of this key, or what `act` answers, stored with its effect.

    Raises IdempotencyMismatch when the key came with another request.
    """
    now = datetime.now(UTC)
    actor_id = actor.id or 0
    horizon = _moment(transaction, now - KEPT)
    transaction.execute(_EXPIRE, (actor_id, key, horizon))
    claimed = transaction.execute(_CLAIM, (actor_id, key, request_hash, _moment(transaction, now))).rowcount
    if not claimed:
        return _replay(transaction, actor_id, key, request_hash)
    reply = act()
    headers = orjson.dumps([(n, v) for n, v in reply.headers if n in KEPT_HEADERS]).decode()
    transaction.execute(_STORE, (reply.status_code, reply.body.decode(), headers, actor_id, key))
    if int(request_hash[:2], 16) < SWEEP_OF_256:
        transaction.execute(_SWEEP[transaction.dialect], (horizon,))
    return reply


def _replay(transaction: Transaction, actor_id: int, key: str, request_hash: str) -> Reply:
    row = transaction.fetchone(_FIND, (actor_id, key))
    assert row is not None
    if row[0] != request_hash:
        raise IdempotencyMismatch
    headers = [(name, value) for name, value in orjson.loads(row[3])]
    return Reply(row[2].encode(), row[1], [*headers, ("Idempotency-Replayed", "true")])


def _moment(transaction: Transaction, value: datetime) -> Any:
    return moment_text(value) if transaction.dialect == "sqlite" else value
