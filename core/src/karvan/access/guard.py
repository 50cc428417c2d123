"""The proof that an actor's sign-in and a catalog version are in force, as text for the statement itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from karvan.access.actors import USER_COLUMNS, Actor, actor_of
from karvan.database import Connection
from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Dialect, moment_text
from karvan_sdk.errors import NotSignedIn

# One text per kind of actor: prepared once, whoever asks. `s` holds the credential, `v` the version row.
_VERSION = "EXISTS (SELECT 1 FROM k_state v WHERE v.id = 1 AND v.version = ?)"
_PERSON = (
    "EXISTS (SELECT 1 FROM k_state v, k_user u"
    " WHERE v.id = 1 AND v.version = ? AND u.id = ? AND u.perm_version = ? AND u.active)"
)


def _signed_in(table: str) -> str:
    return (
        f"EXISTS (SELECT 1 FROM {table} s JOIN k_user u ON u.id = s.user_id CROSS JOIN k_state v"
        " WHERE v.id = 1 AND v.version = ? AND u.id = ? AND u.perm_version = ? AND u.active"
        " AND s.hash = ? AND (s.expires_at IS NULL OR s.expires_at > ?))"
    )


_SIGNED_IN = {"token": _signed_in("k_token"), "session": _signed_in("k_session")}


def guard(actor: Actor, dialect: Dialect, version: int, now: datetime) -> Fragment:
    """The condition that `actor` may still ask and that the metadata is at `version`."""
    if actor.id is None:
        return Fragment(text=_VERSION, params=(version,))
    if actor.credential is None:
        return Fragment(text=_PERSON, params=(version, actor.id, actor.perm_version))
    return Fragment(
        text=_SIGNED_IN[actor.credential.kind],
        params=(version, actor.id, actor.perm_version, actor.credential.hash, _moment(now, dialect)),
    )


def enter(connection: Connection, actor: Actor) -> tuple[Actor, int]:
    """Read the actor and the metadata version afresh, in one statement; raises NotSignedIn."""
    if actor.id is None:
        row = connection.fetchone("SELECT v.version FROM k_state v WHERE v.id = 1")
        return actor, _version(row)
    columns = f"SELECT v.version, {USER_COLUMNS} FROM k_state v"
    if actor.credential is None:
        row = connection.fetchone(
            f"{columns}, k_user u WHERE v.id = 1 AND u.id = ? AND u.active", (actor.id,)
        )
    else:
        now = _moment(datetime.now(UTC), connection.dialect)
        row = connection.fetchone(
            f"{columns}, k_{actor.credential.kind} s JOIN k_user u ON u.id = s.user_id WHERE v.id = 1"
            " AND s.hash = ? AND (s.expires_at IS NULL OR s.expires_at > ?) AND u.active",
            (actor.credential.hash, now),
        )
    version = _version(row)
    assert row is not None
    return actor_of(row[1:], actor.credential), version


def _version(row: Any) -> int:
    if row is None:
        raise NotSignedIn
    version: int = row[0]
    return version


def _moment(value: datetime, dialect: Dialect) -> Any:
    return moment_text(value) if dialect == "sqlite" else value
