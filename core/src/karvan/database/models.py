"""The static tables, as Flask-SQLAlchemy models; only Alembic makes them, only the floors above fill them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Dialect, Double, Engine, Index, Integer, Text, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """An aware datetime: timestamptz on PostgreSQL, the 27-character UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class WorkspaceSQLAlchemy(SQLAlchemy):
    """Flask-SQLAlchemy over the workspace's own engine, so that there is one way to the database."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        engine: Engine = app.config["KARVAN_ENGINE"]
        return engine


db = WorkspaceSQLAlchemy()
ID = BigInteger().with_variant(Integer(), "sqlite")


class State(db.Model):  # type: ignore[name-defined,misc]  # Flask-SQLAlchemy makes Model at run time
    """The one version row: every change of the metadata raises it."""

    __tablename__ = "k_state"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


class DefinitionRow(db.Model):  # type: ignore[name-defined,misc]
    """A metadata row (see `karvan.metadata.catalog.Definition`)."""

    __tablename__ = "k_definition"
    uid: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    parent: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    physical: Mapped[str] = mapped_column(Text)
    shipped: Mapped[str] = mapped_column(Text)
    override: Mapped[str] = mapped_column(Text)
    detached: Mapped[bool]
    position: Mapped[int]


class LedgerRow(db.Model):  # type: ignore[name-defined,misc]
    """One step of a change of the schema: who owns what, who did it, when."""

    __tablename__ = "k_ledger"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    physical: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("ix_k_ledger_physical", "physical"), {"sqlite_autoincrement": True})


class PluginRow(db.Model):  # type: ignore[name-defined,misc]
    """Which plugins are on in this workspace, and the manifest with which they were enabled."""

    __tablename__ = "k_plugin"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    manifest: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(Moment)
    changed_by: Mapped[int | None] = mapped_column(BigInteger)


class User(db.Model):  # type: ignore[name-defined,misc]
    """A person who may sign in. `email` is in lower case."""

    __tablename__ = "k_user"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    is_admin: Mapped[bool]
    active: Mapped[bool]
    language: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    perm_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)
    __table_args__ = ({"sqlite_autoincrement": True},)


class Token(db.Model):  # type: ignore[name-defined,misc]
    """An API token; only the hash of its text is kept."""

    __tablename__ = "k_token"
    hash: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)


class SignIn(db.Model):  # type: ignore[name-defined,misc]
    """A session of a browser; only the hash of its cookie is kept."""

    __tablename__ = "k_session"
    hash: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class HistoryRow(db.Model):  # type: ignore[name-defined,misc]
    """What happened to a record; `changes` maps field uids to [old, new] in JSON form."""

    __tablename__ = "k_history"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    object: Mapped[str] = mapped_column(Text)
    record_id: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    changes: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index("ix_k_history_record", "object", "record_id", "id"),
        {"sqlite_autoincrement": True},
    )


class OutboxRow(db.Model):  # type: ignore[name-defined,misc]
    """An event that waits to be delivered; written in the transaction of its cause."""

    __tablename__ = "k_outbox"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    event: Mapped[str] = mapped_column(Text)
    object: Mapped[str] = mapped_column(Text)
    record_id: Mapped[int] = mapped_column(BigInteger)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    payload: Mapped[str] = mapped_column(Text)
    __table_args__ = ({"sqlite_autoincrement": True},)


class IdempotencyRow(db.Model):  # type: ignore[name-defined,misc]
    """The answer of a call that carried an Idempotency-Key, written with its effect."""

    __tablename__ = "k_idempotency"
    actor_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    headers: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)


class SettingRow(db.Model):  # type: ignore[name-defined,misc]
    """What one setting of a plugin was set to in one scope (JSON; a secret sealed). `scope_id` is the person,
    0 for the system."""

    __tablename__ = "k_setting"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    scope_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[str] = mapped_column(Text)


class JobRow(db.Model):  # type: ignore[name-defined,misc]
    """Work that a plugin put off; gone when it was done. `state` is waiting or dead, `payload` is JSON."""

    __tablename__ = "k_job"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    plugin: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    key: Mapped[str | None] = mapped_column(Text)
    payload: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Moment)
    claim: Mapped[str] = mapped_column(Text)
    last_error: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index("ix_k_job_key", "plugin", "name", "key", unique=True),
        Index("ix_k_job_due", "state", "due_at", "id"),
        {"sqlite_autoincrement": True},
    )


class SecretRow(db.Model):  # type: ignore[name-defined,misc]
    """A secret that a plugin keeps; `value` is sealed by the vault."""

    __tablename__ = "k_secret"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(Moment)


class SettingLockRow(db.Model):  # type: ignore[name-defined,misc]
    """A setting that an administrator took out of people's hands, and why."""

    __tablename__ = "k_setting_lock"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)


class AuditRow(db.Model):  # type: ignore[name-defined,misc]
    """Who did what to what: `action` is `setting.changed`, `subject` a path, the rest JSON or empty."""

    __tablename__ = "k_audit"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (Index("ix_k_audit_subject", "subject", "id"), {"sqlite_autoincrement": True})


class LayoutRow(db.Model):  # type: ignore[name-defined,misc]
    """What somebody chose about a widget in a slot; an empty value inherits.

    `scope` is `user` with the person's id.
    """

    __tablename__ = "k_layout"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(Text)
    scope_id: Mapped[int] = mapped_column(BigInteger)
    slot: Mapped[str] = mapped_column(Text)
    widget: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool | None]
    rank: Mapped[float | None]
    __table_args__ = (
        Index("ix_k_layout_place", "scope", "scope_id", "slot", "widget", unique=True),
        {"sqlite_autoincrement": True},
    )


class AccidentRow(db.Model):  # type: ignore[name-defined,misc]
    """A process that ended while code of a plugin was on top of it. `counts`: towards its suspension."""

    __tablename__ = "k_accident"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    plugin: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    hook: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    stack: Mapped[str] = mapped_column(Text)
    counts: Mapped[bool]
    __table_args__ = (Index("ix_k_accident_plugin", "plugin"), {"sqlite_autoincrement": True})


class SuspensionRow(db.Model):  # type: ignore[name-defined,misc]
    """A plugin that is on and not called, for one of its hooks kept failing."""

    __tablename__ = "k_suspension"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[str] = mapped_column(Text)
    settings: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(Moment)
    hook: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text)
    trace: Mapped[str] = mapped_column(Text)


class RestrictionRow(db.Model):  # type: ignore[name-defined,misc]
    """What a plugin asked of the records of an object when it was asked last; empty for nothing."""

    __tablename__ = "k_restriction"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    object: Mapped[str] = mapped_column(Text, primary_key=True)
    action: Mapped[str] = mapped_column(Text, primary_key=True)
    condition: Mapped[str] = mapped_column(Text)
    edition: Mapped[str] = mapped_column(Text)


class FigureRow(db.Model):  # type: ignore[name-defined,misc]
    """What the calls of one hook of one plugin cost in one hour; `class_*` are calls by time."""

    __tablename__ = "k_figure"
    plugin: Mapped[str] = mapped_column(Text, primary_key=True)
    hook: Mapped[str] = mapped_column(Text, primary_key=True)
    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    over_budget: Mapped[int] = mapped_column(BigInteger)
    queries: Mapped[int] = mapped_column(BigInteger)
    total_ms: Mapped[float] = mapped_column(Double)
    max_ms: Mapped[float] = mapped_column(Double)
    last_error: Mapped[str] = mapped_column(Text)
    last_error_at: Mapped[datetime | None] = mapped_column(Moment)
    class_0: Mapped[int] = mapped_column(BigInteger)
    class_1: Mapped[int] = mapped_column(BigInteger)
    class_2: Mapped[int] = mapped_column(BigInteger)
    class_3: Mapped[int] = mapped_column(BigInteger)
    class_4: Mapped[int] = mapped_column(BigInteger)
    class_5: Mapped[int] = mapped_column(BigInteger)
    class_6: Mapped[int] = mapped_column(BigInteger)
    class_7: Mapped[int] = mapped_column(BigInteger)
    class_8: Mapped[int] = mapped_column(BigInteger)
    class_9: Mapped[int] = mapped_column(BigInteger)
    class_10: Mapped[int] = mapped_column(BigInteger)
    class_11: Mapped[int] = mapped_column(BigInteger)
    class_12: Mapped[int] = mapped_column(BigInteger)
    class_13: Mapped[int] = mapped_column(BigInteger)
    class_14: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index("ix_k_figure_hour", "hour"),)


class DeliveryRow(db.Model):  # type: ignore[name-defined,misc]
    """One event for one plugin's hook; gone when it was told. `state` is waiting or dead."""

    __tablename__ = "k_delivery"
    id: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=True)
    event_id: Mapped[int] = mapped_column(BigInteger)
    plugin: Mapped[str] = mapped_column(Text)
    hook: Mapped[str] = mapped_column(Text)
    object: Mapped[str] = mapped_column(Text)
    event: Mapped[str] = mapped_column(Text)
    record_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Moment)
    claim: Mapped[str] = mapped_column(Text)
    last_error: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index("ix_k_delivery_due", "state", "due_at", "id"),
        Index("ix_k_delivery_plugin", "plugin"),
        {"sqlite_autoincrement": True},
    )
