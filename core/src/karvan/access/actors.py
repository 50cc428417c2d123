"""People and how they prove who they are: passwords, sessions, tokens."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from karvan.database import Connection, Database
from karvan.database.drivers import INTEGRITY_ERRORS
from karvan.metadata.kinds import moment_text
from karvan.settings import Settings
from karvan_sdk.errors import BadInput, Conflict, NotSignedIn

TOKEN_PREFIX = "kv_"  # noqa: S105 - marks a token as ours, is none itself
CACHE_MAX = 2000
PASSWORD_MIN = 8
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _HASHER.hash(secrets.token_hex(16))
"""Verified for unknown people too, so that time does not tell who has an account."""
_ROOM = threading.BoundedSemaphore(2)
"""Each verification takes 19 MiB; more than two at once in one process wait."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What an actor showed: the kind, and the SHA-256 of the secret (hex), which is all that is stored."""

    kind: Literal["token", "session"]
    hash: str


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who is asking. `credential` is None for the system and for people whom the command line acts for."""

    id: int | None
    email: str
    name: str
    is_admin: bool
    language: str = "en"
    timezone: str = ""
    perm_version: int = 0
    credential: Credential | None = None

    @classmethod
    def system(cls) -> Actor:
        """The system itself: migrations, demo data, the command line."""
        return cls(id=None, email="", name="Karvan", is_admin=True)


USER_COLUMNS = "u.id, u.email, u.name, u.is_admin, u.language, u.timezone, u.perm_version"


def actor_of(row: Any, credential: Credential | None) -> Actor:
    """The actor of a row of `USER_COLUMNS`."""
    return Actor(
        id=row[0],
        email=row[1],
        name=row[2],
        is_admin=bool(row[3]),
        language=row[4],
        timezone=row[5],
        perm_version=row[6],
        credential=credential,
    )


def hash_secret(text: str) -> str:
    """What is stored of a token or a cookie."""
    return hashlib.sha256(text.encode()).hexdigest()


class Actors:
    """The people of one workspace."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._cache: OrderedDict[Credential, Actor] = OrderedDict()
        self._lock = threading.Lock()

    # -- who is asking ---------------------------------------------------------------------------------

    def by_token(self, text: str) -> Actor | None:
        """The actor of an API token, perhaps as of some moments ago: reads prove it, writes read it anew."""
        return self._by(Credential(kind="token", hash=hash_secret(text)))

    def by_session(self, cookie: str) -> Actor | None:
        """The actor of a session cookie, under the same condition as `by_token`."""
        return self._by(Credential(kind="session", hash=hash_secret(cookie)))

    def by_email(self, email: str) -> Actor | None:
        """The person with this address, for the command line."""
        with self._database.read() as connection:
            row = connection.fetchone(
                f"SELECT {USER_COLUMNS} FROM k_user u WHERE u.email = ?", (_address(email),)
            )
        return None if row is None else actor_of(row, None)

    def sign_in(self, email: str, password: str) -> str:
        """Check a password and begin a session; gives its cookie.

        Raises NotSignedIn, the same for all causes.
        """
        address = email.strip().lower()
        with self._database.read() as connection:
            row = connection.fetchone(
                "SELECT id, password_hash, active FROM k_user WHERE email = ?", (address,)
            )
        good = _verify(row[1] if row else _NOBODY, password)
        if row is None or not good or not row[2]:
            raise NotSignedIn
        cookie = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        with self._database.write() as transaction:
            if _HASHER.check_needs_rehash(row[1]):
                transaction.execute(
                    "UPDATE k_user SET password_hash = ? WHERE id = ?", (_HASHER.hash(password), row[0])
                )
            transaction.execute("DELETE FROM k_session WHERE expires_at < ?", (self._moment(now),))
            transaction.execute(
                "INSERT INTO k_session (hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (
                    hash_secret(cookie),
                    row[0],
                    self._moment(now),
                    self._moment(now + timedelta(days=self._settings.session_days)),
                ),
            )
        return cookie

    def sign_out(self, cookie: str) -> None:
        """End a session; an unknown one is no error."""
        credential = Credential(kind="session", hash=hash_secret(cookie))
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM k_session WHERE hash = ?", (credential.hash,))
        with self._lock:
            self._cache.pop(credential, None)

    # -- people ----------------------------------------------------------------------------------------

    def create_user(
        self,
        email: str,
        name: str,
        password: str,
        *,
        is_admin: bool = False,
        language: str = "",
        timezone: str = "",
    ) -> Actor:
        """Add a person. Raises BadInput for a bad address or a short password, Conflict for a taken one."""
        address = _address(email)
        if len(password) < PASSWORD_MIN:
            raise BadInput(f"A password needs at least {PASSWORD_MIN} characters.", field="password")
        values = (
            address,
            name.strip() or address,
            _HASHER.hash(password),
            is_admin,
            True,
            language or self._settings.language,
            timezone or self._settings.timezone,
            1,
            self._moment(datetime.now(UTC)),
        )
        try:
            with self._database.write() as transaction:
                transaction.execute(
                    "INSERT INTO k_user (email, name, password_hash, is_admin, active, language, timezone,"
                    " perm_version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
        except INTEGRITY_ERRORS as exc:
            raise Conflict(f"There is a user {address} already.") from exc
        made = self.by_email(address)
        assert made is not None
        return made

    def create_token(self, actor_id: int, name: str) -> str:
        """Make an API token for a person; its text is shown once and never stored."""
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as transaction:
            transaction.execute(
                "INSERT INTO k_token (hash, user_id, name, created_at) VALUES (?, ?, ?, ?)",
                (hash_secret(text), actor_id, name, self._moment(datetime.now(UTC))),
            )
        return text

    def set_preferences(self, actor_id: int, *, language: str, timezone: str) -> None:
        """Change the language and zone in which a person sees the pages."""
        with self._database.write() as transaction:
            transaction.execute(
                "UPDATE k_user SET language = ?, timezone = ?, perm_version = perm_version + 1 WHERE id = ?",
                (language, timezone, actor_id),
            )
        with self._lock:
            self._cache.clear()

    def users(self) -> list[Actor]:
        """All active people, by name."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                f"SELECT {USER_COLUMNS} FROM k_user u WHERE u.active ORDER BY u.name, u.id"
            )
        return [actor_of(row, None) for row in rows]

    def by_id(self, actor_id: int) -> Actor | None:
        """The person with this id who may still sign in, or None; without a credential."""
        with self._database.read() as connection:
            text = f"SELECT {USER_COLUMNS} FROM k_user u WHERE u.active AND u.id = ?"
            row = connection.fetchone(text, (actor_id,))
        return None if row is None else actor_of(row, None)

    # -- inside ----------------------------------------------------------------------------------------

    def _by(self, credential: Credential) -> Actor | None:
        with self._lock:
            found = self._cache.get(credential)
            if found is not None:
                self._cache.move_to_end(credential)
                return found
        with self._database.read() as connection:
            found = read_actor(connection, credential)
        if found is not None:
            with self._lock:
                self._cache[credential] = found
                while len(self._cache) > CACHE_MAX:
                    self._cache.popitem(last=False)
        return found

    def forget(self, credential: Credential) -> None:
        """Drop what this process remembers of a credential that no longer holds."""
        with self._lock:
            self._cache.pop(credential, None)

    def _moment(self, value: datetime) -> Any:
        return moment_text(value) if self._database.dialect == "sqlite" else value


def read_actor(connection: Connection, credential: Credential) -> Actor | None:
    """The actor of a credential that holds now, or None."""
    now = datetime.now(UTC)
    text = (
        f"SELECT {USER_COLUMNS} FROM k_{credential.kind} s JOIN k_user u ON u.id = s.user_id"
        " WHERE s.hash = ? AND (s.expires_at IS NULL OR s.expires_at > ?) AND u.active"
    )
    at = moment_text(now) if connection.dialect == "sqlite" else now
    row = connection.fetchone(text, (credential.hash, at))
    return None if row is None else actor_of(row, credential)


def _address(email: str) -> str:
    address = email.strip().lower()
    name, at, host = address.partition("@")
    if not (name and at and host) or any(c.isspace() for c in address) or len(address) > 254:
        raise BadInput(f"'{email}' is no e-mail address.", field="email")
    return address


def _verify(hashed: str, password: str) -> bool:
    with _ROOM:
        try:
            return _HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
