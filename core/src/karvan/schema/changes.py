"""Every change of the schema: one transaction under the schema lock, seen by all at their next request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from karvan.database import Database, Transaction, audit
from karvan.metadata.catalog import Catalog, Definition, FieldType, ObjectType, build_catalog, object_uid
from karvan.metadata.kinds import moment_text
from karvan.metadata.store import Catalogs, read_definitions, read_plugins, read_version, write_definitions
from karvan.schema import ledger
from karvan.schema.apply import SchemaTransaction, apply, change
from karvan.schema.checks import check_next, check_uses
from karvan.schema.edits import (
    AddFields,
    AddOptions,
    CreateObject,
    DetachField,
    DetachObject,
    DisablePlugin,
    Edit,
    EnablePlugin,
    Next,
    Purge,
    UpdateField,
    UpdateObject,
    next_rows,
)
from karvan.schema.plan import Plan, plan_changes
from karvan_sdk import declarations, names
from karvan_sdk.errors import NotAllowed
from karvan_sdk.fields import Field, Option
from karvan_sdk.manifest import Manifest
from karvan_sdk.objects import Object


class Actor(Protocol):
    """What a change of the schema needs to know of who asks (`karvan.access.actors.Actor` is one)."""

    @property
    def id(self) -> int | None: ...
    @property
    def is_admin(self) -> bool: ...


Announce = Callable[[Transaction, str, int | None], None]
"""Tells, in the transaction of the change, that a plugin (by id) was enabled or upgraded by somebody."""


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """An edit thought through against the rows of one moment."""

    old: tuple[Definition, ...]
    next: Next
    plan: Plan
    catalog: Catalog


class Schema:
    """The schema of one workspace. All methods need an administrator and raise NotAllowed for others.

    An edit that can't be made raises ValidationFailed, Conflict, SchemaRefused, InUse, UnknownObject or
    UnknownField and leaves nothing behind. Indexes are built inside the change, so a change of a table of
    a million records holds its writers off for a second or two.
    """

    def __init__(self, database: Database, catalogs: Catalogs, announce: Announce) -> None:
        self._database = database
        self._catalogs = catalogs
        self._announce = announce

    def preview(self, actor: Actor, *edits: Edit) -> Plan:
        """The steps that these edits, one after the other, would take; nothing is changed."""
        _only_admin(actor)
        with self._database.snapshot() as connection:
            old = read_definitions(connection)
            plugins, version = read_plugins(connection), read_version(connection)
        rows: tuple[Definition, ...] = old
        for edit in edits:
            prepared = _prepare(rows, plugins, version, edit, self._database.dialect)
            rows = tuple(prepared.next.rows.values())
        return plan_changes(old, rows, self._database.dialect)

    # -- objects ---------------------------------------------------------------------------------------

    def create_object(self, actor: Actor, declaration: Object) -> ObjectType:
        """Make an administrator's object, named `c_<name>`; a detached one comes back with its records."""
        catalog = self._change(actor, CreateObject(declaration=declaration))
        return catalog.by_uid[object_uid("custom", declaration.name)]

    def update_object(self, actor: Actor, object: str, patch: Mapping[str, Any]) -> ObjectType:
        """Change labels, icon, name field, template, rules, synonyms, views or layouts (JSON form)."""
        return self._change(actor, UpdateObject(object=object, patch=patch)).object(object)

    def detach_object(self, actor: Actor, object: str) -> None:
        """Take an administrator's object out of use; its table and records are kept until a purge."""
        self._change(actor, DetachObject(object=object))

    # -- fields ----------------------------------------------------------------------------------------

    def add_fields(self, actor: Actor, object: str, fields: Sequence[Field]) -> list[FieldType]:
        """Add an administrator's fields, named `c_<name>`, in one transaction.

        A detached field of the same name and type comes back with its values.
        """
        catalog = self._change(actor, AddFields(object=object, fields=tuple(fields)))
        object_type = catalog.object(object)
        return [object_type.fields[names.api_field_name("custom", object_type.owner, f.name)] for f in fields]

    def update_field(self, actor: Actor, object: str, field: str, patch: Mapping[str, Any]) -> FieldType:
        """Change what is not fixed about a field (JSON form); None takes a change back."""
        return (
            self._change(actor, UpdateField(object=object, field=field, patch=patch))
            .object(object)
            .fields[field]
        )

    def detach_field(self, actor: Actor, object: str, field: str) -> None:
        """Take an administrator's field out of use; its column and values are kept until a purge."""
        self._change(actor, DetachField(object=object, field=field))

    def add_options(self, actor: Actor, object: str, field: str, options: Sequence[Option]) -> FieldType:
        """Add options to a select field, whoever owns it."""
        edit = AddOptions(object=object, field=field, options=tuple(options))
        return self._change(actor, edit).object(object).fields[field]

    # -- plugins ---------------------------------------------------------------------------------------

    def enable_plugin(self, actor: Actor, manifest: Manifest, *, version: str = "") -> Catalog:
        """Bring a plugin's objects and fields into use, or those of its newer manifest.

        What an administrator changed stays in force; what the manifest no longer declares is detached.
        """
        return self._change(actor, EnablePlugin(manifest=manifest, version=version))

    def disable_plugin(self, actor: Actor, plugin: str) -> Catalog:
        """Take a plugin's objects and fields out of use; their tables and columns are kept."""
        return self._change(actor, DisablePlugin(plugin=plugin))

    def preview_plugins(self, actor: Actor, manifests: Sequence[tuple[Manifest, str]]) -> Plan:
        """The steps that enabling these (manifest, version), one after the other, would take."""
        return self.preview(actor, *(EnablePlugin(manifest=m, version=v) for m, v in manifests))

    # -- purge -----------------------------------------------------------------------------------------

    def purge(self, actor: Actor, owner: str, object: str = "", field: str = "") -> Plan:
        """Drop for good what `owner` (`custom`, `plugin:<id>`) has detached; gives the steps taken."""
        taken: list[Plan] = []
        self._change(actor, Purge(owner=owner, object=object, field=field), taken.append)
        return taken[-1]

    # -- inside ----------------------------------------------------------------------------------------

    def _change(self, actor: Actor, edit: Edit, tell: Callable[[Plan], None] = lambda plan: None) -> Catalog:
        _only_admin(actor)

        def act(transaction: SchemaTransaction) -> None:
            old = read_definitions(transaction)
            plugins = read_plugins(transaction)
            version = read_version(transaction)
            prepared = _prepare(old, plugins, version, edit, transaction.dialect)
            moved = _write_plugin(transaction, edit, actor)
            if moved and isinstance(edit, EnablePlugin):
                self._announce(transaction, edit.manifest.id, actor.id)
            apply(transaction, prepared.plan)
            _forget_history(transaction, prepared)
            ledger.append(transaction, prepared.plan, actor.id)
            write_definitions(transaction, old, prepared.next.rows.values())
            if prepared.plan.steps or moved:
                transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")
            tell(prepared.plan)

        change(self._database, act)
        return self._catalogs.current()


def _only_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed(action="change", object="the schema", reason="it needs an administrator.")


def _prepare(
    old: tuple[Definition, ...], plugins: Sequence[str], version: int, edit: Edit, dialect: Any
) -> _Prepared:
    found = next_rows(old, edit)
    on = set(plugins)
    if isinstance(edit, EnablePlugin):
        on.add(edit.manifest.id)
    elif isinstance(edit, DisablePlugin):
        on.discard(edit.plugin)
    catalog = build_catalog(version + 1, tuple(found.rows.values()), sorted(on))
    check_next(catalog, found.rows, found.touched)
    gone = [r for r in old if not r.detached and (r.uid not in found.rows or found.rows[r.uid].detached)]
    by_hand = not isinstance(edit, (EnablePlugin, DisablePlugin))
    check_uses(build_catalog(version, old, plugins), catalog, gone, views=by_hand)
    return _Prepared(
        old=old, next=found, plan=plan_changes(old, found.rows.values(), dialect), catalog=catalog
    )


def _write_plugin(transaction: SchemaTransaction, edit: Edit, actor: Actor) -> bool:
    """Keep the plugin's state row; says whether it changed."""
    now = datetime.now(UTC)
    at = moment_text(now) if transaction.dialect == "sqlite" else now
    if isinstance(edit, Purge) and not edit.object and edit.owner.startswith("plugin:"):
        plugin = edit.owner.removeprefix("plugin:")
        transaction.execute("DELETE FROM k_plugin WHERE id = ? AND state = 'off'", (plugin,))
    if isinstance(edit, DisablePlugin):
        done = transaction.execute(
            "UPDATE k_plugin SET state = 'off', changed_at = ?, changed_by = ?"
            " WHERE id = ? AND state <> 'off'",
            (at, actor.id, edit.plugin),
        )
        if done.rowcount:
            audit.append(transaction, actor.id, "plugin.disabled", f"plugin/{edit.plugin}")
        return bool(done.rowcount)
    if not isinstance(edit, EnablePlugin):
        return False
    manifest = orjson.dumps(declarations.dump(edit.manifest)).decode()
    values = ("on", edit.version, manifest)
    row = transaction.fetchone(
        "SELECT state, version, manifest FROM k_plugin WHERE id = ?", (edit.manifest.id,)
    )
    if row is not None and tuple(row) == values:
        return False
    transaction.execute(
        "INSERT INTO k_plugin (id, state, version, manifest, changed_at, changed_by)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state, version = excluded.version,"
        " manifest = excluded.manifest, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
        (edit.manifest.id, *values, at, actor.id),
    )
    before = row[1] if row is not None and row[0] == "on" else None
    audit.append(transaction, actor.id, "plugin.enabled", f"plugin/{edit.manifest.id}", before, edit.version)
    return True


def _forget_history(transaction: SchemaTransaction, prepared: _Prepared) -> None:
    """A purged object takes its history and undelivered events along."""
    for row in prepared.old:
        if row.kind == "object" and row.uid not in prepared.next.rows:
            transaction.execute("DELETE FROM k_history WHERE object = ?", (row.uid,))
            transaction.execute("DELETE FROM k_outbox WHERE object = ?", (row.uid,))
