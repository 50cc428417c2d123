"""The one path of change: act, check, hooks, check again, write, history and outbox, in one transaction.

Every act works on a batch; a single record is a batch of one. The order of the steps is the design:
nothing is written before everything was checked, and events leave only with the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from karvan.access import policy
from karvan.access.actors import Actor
from karvan.access.moment import Moment
from karvan.database import Transaction
from karvan.database.drivers import INTEGRITY_ERRORS
from karvan.events import outbox
from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.metadata.kinds import Dialect, moment_text, python_to_json
from karvan.records.model import (
    HISTORY_COLUMNS,
    HISTORY_INSERT,
    WriteModel,
)
from karvan.records.reader import Reader
from karvan.records.shapes import BulkResult
from karvan_sdk.actions import Change
from karvan_sdk.errors import (
    FieldError,
    InUse,
    KarvanError,
    RecordNotFound,
    Rejected,
    ValidationFailed,
    VersionMismatch,
)
from karvan_sdk.expressions import Environment
from karvan_sdk.protocols import Hooks

CHUNK = 500
PAST = {"create": "created", "update": "updated", "delete": "deleted", "restore": "restored"}


@dataclass(kw_only=True)
class Draft:
    """One record on its way: `values` in Python form are only those to be written."""

    index: int
    values: dict[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None
    errors: list[FieldError] = field(default_factory=list)
    changed: bool = True

    def add(self, error: FieldError) -> None:
        """Note a finding about this record."""
        self.errors.append(error)

    @property
    def after(self) -> dict[str, Any]:
        """The record as it will stand."""
        return {**self.before, **self.values}


class Writer:
    """Changes to records inside one transaction; made by `Records.write`."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        actor: Actor,
        catalog: Catalog,
        reader: Reader,
        model: Callable[[ObjectType], WriteModel],
        hooks: Hooks,
        source: str,
        now: datetime,
        currency: str,
        moment: Moment,
    ) -> None:
        self.transaction = transaction
        self.actor = actor
        self.catalog = catalog
        self.reader = reader
        self.source = source
        self._model = model
        self._hooks = hooks
        self._now = now
        self._at: Any = moment_text(now) if transaction.dialect == "sqlite" else now
        self._currency = currency
        self._moment = moment

    @property
    def dialect(self) -> Dialect:
        """The engine that the transaction runs on."""
        return self.transaction.dialect

    # -- one record ------------------------------------------------------------------------------------

    def create(self, object: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Create a record; gives it in JSON form.

        Raises ValidationFailed with all findings, Rejected, PluginFailed, NotAllowed or UnknownObject.
        """
        model = self._model_of(object, "create")
        (draft,) = self._create(model, [values], partial=False)
        return model.json_of(draft.values)

    def update(
        self, object: str, id: int, values: Mapping[str, Any], version: int | None = None
    ) -> dict[str, Any]:
        """Change a record; gives it in JSON form. A change that changes nothing writes nothing.

        Raises RecordNotFound, VersionMismatch (when `version` is not the stored one) and what `create` does.
        """
        model = self._model_of(object, "update")
        (draft,) = self._update(model, [{**values, "id": id}], partial=False, version=version)
        return model.json_of(draft.after)

    def delete(self, object: str, id: int, version: int | None = None) -> None:
        """Put a record into the trash; records that depend on it follow or forbid it, as their lookup says.

        Raises RecordNotFound, VersionMismatch, InUse, Rejected.
        """
        model = self._model_of(object, "delete")
        draft = self._current_one(model, id, "delete", version)
        self._delete(model, [draft])

    def restore(self, object: str, id: int, version: int | None = None) -> dict[str, Any]:
        """Take a record out of the trash, with those that went there along with it.

        Raises RecordNotFound, VersionMismatch, ValidationFailed when a unique value is taken by now.
        """
        model = self._model_of(object, "restore")
        draft = self._current_one(model, id, "restore", version)
        self._restore(model, draft)
        return model.json_of(draft.after)

    # -- many records ----------------------------------------------------------------------------------

    def create_many(self, object: str, rows: Sequence[Mapping[str, Any]], partial: bool = True) -> BulkResult:
        """Create many records. With `partial` those that are refused are left out and reported."""
        drafts = self._create(self._model_of(object, "create"), rows, partial=partial)
        return _result(drafts)

    def update_many(self, object: str, rows: Sequence[Mapping[str, Any]], partial: bool = True) -> BulkResult:
        """Change many records; each row holds its `id` and may hold the `version` it was read at."""
        drafts = self._update(self._model_of(object, "update"), rows, partial=partial, version=None)
        return _result(drafts)

    def delete_many(self, object: str, ids: Sequence[int], partial: bool = True) -> BulkResult:
        """Put many records into the trash."""
        model = self._model_of(object, "delete")
        drafts = [Draft(index=i, id=id_) for i, id_ in enumerate(ids)]
        self._fill_current(model, drafts, "delete")
        self._stop_unless(partial, drafts)
        alive: list[Draft] = []
        for draft in _good(drafts):
            try:
                self._delete(model, [draft])
                alive.append(draft)
            except (InUse, Rejected) as exc:
                if not partial:
                    raise
                draft.add(_as_error(exc, draft.index))
        return _result(drafts)

    # -- create ----------------------------------------------------------------------------------------

    def _create(self, model: WriteModel, rows: Sequence[Mapping[str, Any]], *, partial: bool) -> list[Draft]:
        drafts: list[Draft] = []
        for index, row in enumerate(rows):
            values, errors = model.check.load_new(row, writer=self.source)
            if values.get("owner") is None:
                values["owner"] = self.actor.id
            self._complete_currency(model, values)
            drafts.append(Draft(index=index, values=values, errors=errors))
        references = self._check_references(model, drafts)
        for draft in drafts:
            self._compose_name(model, draft, references)
            draft.errors += model.check.missing(draft.values, created=True)
        self._run_checks(model, "create", drafts, references)
        self._check_unique(model, drafts)
        self._stop_unless(partial, drafts)
        good = _good(drafts)
        self._run_hooks(model, "create", good, partial=partial)
        self._stop_unless(partial, drafts)
        self._insert(model, _good(good))
        return drafts

    def _insert(self, model: WriteModel, drafts: Sequence[Draft]) -> None:
        if not drafts:
            return
        for draft in drafts:
            draft.values |= {
                "version": 1,
                "created_at": self._now,
                "created_by": self.actor.id,
                "updated_at": self._now,
                "updated_by": self.actor.id,
            }
        try:
            if len(drafts) == 1:
                self._insert_one(model, drafts[0])
            else:
                self._insert_batch(model, drafts)
        except INTEGRITY_ERRORS as exc:
            raise self._taken(model, exc) from exc

    def _insert_one(self, model: WriteModel, draft: Draft) -> None:
        columns, stored = model.columns_of({n: v for n, v in draft.values.items() if v is not None})
        uid = model.object_type.uid
        text = model.insert_text(columns)
        actor = self.actor.id
        event = "record.created"
        if model.dialect == "postgresql":
            told = (uid, "created", self._at, actor, self.source, 1, "{}")
            left = (self._at, event, uid, actor, self.source, "{}")
            row = self.transaction.fetchone(text, (*stored, *told, *left))
            assert row is not None
            draft.id = row[0]
        else:
            draft.id = self.transaction.execute(text, stored).lastrowid
            self.transaction.execute(
                HISTORY_INSERT, (uid, draft.id, "created", self._at, actor, self.source, 1, "{}")
            )
            self.transaction.execute(
                outbox.INSERT, (self._at, event, uid, draft.id, actor, self.source, "{}")
            )
        draft.values["id"] = draft.id

    def _insert_batch(self, model: WriteModel, drafts: Sequence[Draft]) -> None:
        ids = self.transaction.next_ids(model.object_type.table, len(drafts))
        names: dict[str, None] = {"id": None}
        for draft, id_ in zip(drafts, ids, strict=True):
            draft.id = draft.values["id"] = id_
            names.update(dict.fromkeys(n for n, v in draft.values.items() if v is not None))
        rows: list[list[Any]] = []
        columns: list[str] = []
        for draft in drafts:
            columns, stored = model.columns_of({n: draft.values.get(n) for n in names})
            rows.append(stored)
        self.transaction.insert_many(model.object_type.table, columns, rows)
        self._tell(model, "create", [(d, {}) for d in drafts], version_of=lambda d: 1)

    # -- update ----------------------------------------------------------------------------------------

    def _update(
        self,
        model: WriteModel,
        rows: Sequence[Mapping[str, Any]],
        *,
        partial: bool,
        version: int | None,
    ) -> list[Draft]:
        drafts = [Draft(index=i, id=self._id_of(row)) for i, row in enumerate(rows)]
        for draft in drafts:
            if draft.id is None:
                draft.add(
                    FieldError(
                        field="id",
                        code="required",
                        template="The id of the record is needed here.",
                        index=draft.index,
                    )
                )
        self._fill_current(model, drafts, "update")
        if not partial and len(drafts) == 1 and drafts[0].id is not None and not drafts[0].before:
            raise RecordNotFound(object=model.object_type.name, id=drafts[0].id)
        if version is not None and drafts[0].before and drafts[0].before["version"] != version:
            raise VersionMismatch(given=version, current=drafts[0].before["version"])
        for draft, row in zip(drafts, rows, strict=True):
            if draft.before:
                self._load_changes(model, draft, row)
        self._keep_changed(drafts)
        open_ = [d for d in drafts if d.before]
        references = self._check_references(model, open_)
        for draft in open_:
            draft.errors += model.check.missing(draft.values, created=False)
        self._run_checks(model, "update", [d for d in open_ if d.changed], references)
        self._check_unique(model, [d for d in open_ if d.changed])
        self._stop_unless(partial, drafts)
        good = [d for d in _good(drafts) if d.changed]
        self._run_hooks(model, "update", good, partial=partial)
        self._stop_unless(partial, drafts)
        self._keep_changed(good)
        self._write_changes(model, [d for d in _good(good) if d.changed])
        return drafts

    def _load_changes(self, model: WriteModel, draft: Draft, row: Mapping[str, Any]) -> None:
        given = row.get("version")
        if given is not None and given != draft.before["version"]:
            draft.add(
                FieldError(
                    field="version",
                    code="version_mismatch",
                    template="The record was changed by somebody else (version {current}, yours is {given}).",
                    params={"current": draft.before["version"], "given": given},
                )
            )
        values = {n: v for n, v in row.items() if n not in ("id", "version")}
        draft.values, errors = model.check.load_changes(values, writer=self.source)
        draft.errors += errors
        self._complete_currency(model, draft.values, draft.before)

    def _keep_changed(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            before = draft.before
            draft.values = {n: v for n, v in draft.values.items() if v != before.get(n)}
            draft.changed = bool(draft.values)

    def _write_changes(self, model: WriteModel, drafts: Sequence[Draft]) -> None:
        if not drafts:
            return
        shapes: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for draft in drafts:
            columns, stored = model.columns_of(draft.values)
            key = (self._at, self.actor.id, draft.id, draft.before["version"])
            shapes.setdefault(tuple(columns), []).append((*stored, *key))
        try:
            for shape, rows in shapes.items():
                text = model.update_text(shape)
                if len(rows) == 1:
                    self.transaction.execute(text, rows[0])
                else:
                    self.transaction.execute_many(text, rows)
        except INTEGRITY_ERRORS as exc:
            raise self._taken(model, exc) from exc
        changes = [(d, self._changes_of(model, d)) for d in drafts]
        self._tell(model, "update", changes, version_of=lambda d: d.before["version"] + 1)
        for draft in drafts:
            draft.values |= {
                "version": draft.before["version"] + 1,
                "updated_at": self._now,
                "updated_by": self.actor.id,
            }

    def _changes_of(self, model: WriteModel, draft: Draft) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for name, value in draft.values.items():
            f = model.object_type.fields[name]
            if f.declaration.audited:
                found[f.uid] = [
                    python_to_json(f.kind, f.declaration, draft.before.get(name)),
                    python_to_json(f.kind, f.declaration, value),
                ]
        return found

    # -- delete and restore ----------------------------------------------------------------------------

    def _delete(self, model: WriteModel, drafts: Sequence[Draft], path: tuple[str, ...] = ()) -> None:
        self._gate(model, "delete", drafts)
        ids = [d.id for d in drafts]
        for child in model.children:
            if child.field.declaration.on_delete == "set_empty":
                continue  # the trash can be emptied of it; until then the value waits for a restore
            found = self._child_ids(child.object_type, child.field, ids)
            if not found:
                continue
            if child.field.declaration.on_delete == "restrict":
                label = child.object_type.declaration.label_plural(self.actor.language)
                raise InUse(
                    what=f"{model.object_type.name} {ids[0]}",
                    why=f"{len(found)} of {label or child.object_type.name} need it "
                    f"({child.field.name}). Remove or change those first.",
                )
            deeper = self._model(child.object_type)
            below = [Draft(index=drafts[0].index, id=i) for i in found]
            self._fill_current(deeper, below, "delete")
            self._delete(deeper, [d for d in below if d.before], (*path, child.field.uid))
        self.transaction.execute_many(
            f'UPDATE "{model.object_type.table}" SET deleted_at = ?, deleted_by = ?, version = version + 1'
            " WHERE id = ?",
            [(self._at, self.actor.id, d.id) for d in drafts],
        )
        self._tell(model, "delete", [(d, {}) for d in drafts], version_of=lambda d: d.before["version"] + 1)

    def _child_ids(self, holder: ObjectType, lookup: FieldType, ids: Sequence[int | None]) -> list[int]:
        found: list[int] = []
        for chunk in _chunks(ids):
            marks = ", ".join("?" * len(chunk))
            text = (
                f'SELECT id FROM "{holder.table}" WHERE "{lookup.column}" IN ({marks}) AND deleted_at IS NULL'
            )
            found += [row[0] for row in self.transaction.fetchall(text, chunk)]
        return found

    def _restore(self, model: WriteModel, draft: Draft) -> None:
        self._gate(model, "restore", [draft])
        table = model.object_type.table
        row = self.transaction.fetchone(f'SELECT deleted_at FROM "{table}" WHERE id = ?', (draft.id,))
        assert row is not None
        deleted_at = row[0]
        self._check_unique(model, [Draft(index=0, id=draft.id, values=dict(draft.before))], strict=True)
        try:
            self.transaction.execute(
                f'UPDATE "{table}" SET deleted_at = NULL, deleted_by = NULL, version = version + 1'
                " WHERE id = ?",
                (draft.id,),
            )
        except INTEGRITY_ERRORS as exc:
            raise self._taken(model, exc) from exc
        version = draft.before["version"] + 1
        self._tell(model, "restore", [(draft, {})], version_of=lambda d: version)
        draft.values["version"] = version
        for child in model.children:
            if child.field.declaration.on_delete != "cascade":
                continue
            rows = self.transaction.fetchall(
                f'SELECT id FROM "{child.object_type.table}"'
                f' WHERE "{child.field.column}" = ? AND deleted_at = ?',
                (draft.id, deleted_at),
            )
            deeper = self._model(child.object_type)
            for (id_,) in rows:
                below = Draft(index=0, id=id_)
                self._fill_current(deeper, [below], "restore")
                if below.before:
                    self._restore(deeper, below)

    # -- steps -----------------------------------------------------------------------------------------

    def _model_of(self, object: str, action: str) -> WriteModel:
        object_type = self.catalog.object(object)
        policy.check_may(self.actor, object_type, action)
        return self._model(object_type)

    def _id_of(self, row: Mapping[str, Any]) -> int | None:
        value = row.get("id")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _current_one(self, model: WriteModel, id_: int, action: str, version: int | None) -> Draft:
        draft = Draft(index=0, id=id_)
        self._fill_current(model, [draft], action)
        if not draft.before:
            raise RecordNotFound(object=model.object_type.name, id=id_)
        if version is not None and draft.before["version"] != version:
            raise VersionMismatch(given=version, current=draft.before["version"])
        return draft

    def _fill_current(self, model: WriteModel, drafts: Sequence[Draft], action: str) -> None:
        """Read (and on PostgreSQL lock) the records as they stand; those not there get an error."""
        wanted = [d.id for d in drafts if d.id is not None]
        found: dict[int, dict[str, Any]] = {}
        predicate = policy.record_predicate(self, model.object_type, action, "t")
        where = "IS NOT NULL" if action == "restore" else "IS NULL"
        lock = " FOR UPDATE OF t" if model.dialect == "postgresql" else ""
        for chunk in _chunks(sorted(set(wanted))):
            marks = ", ".join("?" * len(chunk))
            more = f" AND ({predicate.text})" if predicate else ""
            text = (
                f'SELECT {model.select_columns} FROM "{model.object_type.table}" t'
                f" WHERE t.id IN ({marks}) AND t.deleted_at {where}{more} ORDER BY t.id{lock}"
            )
            for row in self.transaction.fetchall(text, (*chunk, *(predicate.params if predicate else ()))):
                record = model.read_python(row)
                found[record["id"]] = record
        for draft in drafts:
            if draft.id is None:
                continue
            draft.before = found.get(draft.id, {})
            if not draft.before:
                draft.add(
                    FieldError(
                        field="id",
                        code="not_found",
                        template="There is no {object} {id}.",
                        params={"object": model.object_type.name, "id": draft.id},
                    )
                )

    def _complete_currency(
        self, model: WriteModel, values: dict[str, Any], before: Mapping[str, Any] | None = None
    ) -> None:
        """An amount without a code gets the workspace's; a code without an amount goes with it."""
        for name in list(values):
            companion = f"{name}_currency"
            f = model.object_type.fields.get(companion)
            if f is None or f.companion != name:
                continue
            if values[name] is None:
                values[companion] = None
            elif values.get(companion) is None and (before is None or before.get(companion) is None):
                values[companion] = self._currency

    def _check_references(self, model: WriteModel, drafts: Sequence[Draft]) -> _References:
        """Look up every record and person that the drafts point to, one statement per object."""
        references = _References()
        people = [n for n, f in model.object_type.fields.items() if f.kind.name == "user" and not f.system]
        people.append("owner")
        by_target: dict[str, tuple[ObjectType, set[int], set[str]]] = {}
        for name, target in model.lookups.items():
            ids = {d.values[name] for d in drafts if d.values.get(name) is not None}
            far = model.far_fields.get(name, ())
            if far:  # rules read far fields of stored lookups too
                ids |= {d.before[name] for d in drafts if d.before.get(name) is not None}
            if ids:
                _, known, fields = by_target.setdefault(target.name, (target, set(), set()))
                known |= ids
                fields |= set(far)
        for target, ids, far_names in by_target.values():
            references.found[target.name] = self._read_targets(target, ids, sorted(far_names))
        users = {
            d.values[n]
            for d in drafts
            for n in people
            if d.values.get(n) is not None and d.values[n] != self.actor.id
        }
        if users:
            references.users = self._known_users(users)
        if self.actor.id is not None:
            references.users.add(self.actor.id)
        for draft in drafts:
            for name, target in model.lookups.items():
                value = draft.values.get(name)
                if value is not None and value not in references.found.get(target.name, {}):
                    draft.add(_unknown_record(name, target.name, value))
            for name in people:
                value = draft.values.get(name)
                if value is not None and value not in references.users:
                    draft.add(_unknown_record(name, "user", value))
        return references

    def _read_targets(
        self, target: ObjectType, ids: Iterable[int], far: Sequence[str]
    ) -> dict[int, dict[str, Any]]:
        model = self._model(target)
        names = [target.name_field, *far]
        columns = ", ".join(f't."{target.fields[n].column}"' for n in names)
        predicate = policy.record_predicate(self, target, "read", "t")
        more = f" AND ({predicate.text})" if predicate else ""
        found: dict[int, dict[str, Any]] = {}
        for chunk in _chunks(sorted(ids)):
            marks = ", ".join("?" * len(chunk))
            text = (
                f'SELECT t.id, {columns} FROM "{target.table}" t'
                f" WHERE t.id IN ({marks}) AND t.deleted_at IS NULL{more}"
            )
            for row in self.transaction.fetchall(text, (*chunk, *(predicate.params if predicate else ()))):
                record = {}
                for name, value in zip(names, row[1:], strict=True):
                    f = target.fields[name]
                    revive = f.kind.revive(f.declaration, model.dialect)
                    record[name] = value if value is None or revive is None else revive(value)
                found[row[0]] = record
        return found

    def _known_users(self, ids: Iterable[int]) -> set[int]:
        found: set[int] = set()
        for chunk in _chunks(sorted(ids)):
            marks = ", ".join("?" * len(chunk))
            text = f"SELECT id FROM k_user WHERE id IN ({marks})"
            found |= {row[0] for row in self.transaction.fetchall(text, chunk)}
        return found

    def _compose_name(self, model: WriteModel, draft: Draft, references: _References) -> None:
        object_type = model.object_type
        if not object_type.declaration.name_template or draft.values.get(object_type.name_field) is not None:
            return

        def label(name: str, id_: int) -> str | None:
            target = model.lookups[name]
            record = references.found.get(target.name, {}).get(id_)
            return None if record is None else record[target.name_field]

        draft.values[object_type.name_field] = model.compose_name(draft.values, label)

    def _run_checks(
        self, model: WriteModel, event: str, drafts: Sequence[Draft], references: _References
    ) -> None:
        if not model.rules:
            return
        for draft in drafts:
            for checked in self._broken(model, draft, references):
                draft.add(checked.finding(self.actor.language))

    def _broken(self, model: WriteModel, draft: Draft, references: _References) -> list[Any]:
        values = references.with_far_fields(model, draft.after)
        environment = Environment(
            now=self._now,
            timezone=self._moment.timezone,
            actor_id=None,
            before=draft.before or None,
        )
        return model.broken_rules({**model.empty, **values}, environment)

    def _run_hooks(self, model: WriteModel, event: str, drafts: Sequence[Draft], *, partial: bool) -> None:
        name = model.object_type.name
        if not drafts:
            return
        if self._hooks.interested("prepare_records", name, event):
            self._prepare(model, event, drafts)
        if self._hooks.interested("check_records", name, event):
            try:
                self._gate(model, event, drafts)
            except Rejected as exc:
                if not partial or any(e.index is None for e in exc.errors):
                    raise
                for error in exc.errors:
                    assert error.index is not None
                    next(d for d in drafts if d.index == error.index).add(error)

    def _prepare(self, model: WriteModel, event: str, drafts: Sequence[Draft]) -> None:
        changes = [Change(id=d.id, before=d.before, values=d.values) for d in drafts]
        originals = [dict(d.values) for d in drafts]

        def verify(proposed: Sequence[Change]) -> list[FieldError]:
            return self._verify(model, event, drafts, originals, proposed)

        prepared = self._hooks.pipeline(
            "prepare_records", self._moment, model.object_type.name, event, changes, verify
        )
        for draft, change in zip(drafts, prepared, strict=True):
            draft.values = dict(change.values)

    def _verify(
        self,
        model: WriteModel,
        event: str,
        drafts: Sequence[Draft],
        originals: Sequence[Mapping[str, Any]],
        proposed: Sequence[Change],
    ) -> list[FieldError]:
        """What a plugin spoiled: its output is checked like input, and its faults are not the user's."""
        findings: list[FieldError] = []
        probes: list[Draft] = []
        for draft, original, change in zip(drafts, originals, proposed, strict=True):
            new = {n: v for n, v in change.values.items() if n not in original or original[n] != v}
            errors = model.check.recheck(new)
            errors += model.check.missing(
                change.values if event == "create" else new, created=event == "create"
            )
            findings += [_at_index(e, draft.index) for e in errors]
            if new and not errors:
                probes.append(Draft(index=draft.index, values=dict(change.values), before=draft.before))
        if findings or not probes:
            return findings
        references = self._check_references(model, probes)
        self._run_checks(model, event, probes, references)
        return [_at_index(e, p.index) for p in probes for e in p.errors]

    def _gate(self, model: WriteModel, event: str, drafts: Sequence[Draft]) -> None:
        name = model.object_type.name
        if not drafts or not self._hooks.interested("check_records", name, event):
            return
        changes = [Change(id=d.id, before=d.before, values=d.values) for d in drafts]
        try:
            self._hooks.gate("check_records", self._moment, name, event, changes)
        except Rejected as exc:
            # a plugin counts within what it was given; the caller within what he sent
            exc.errors = tuple(
                e if e.index is None or e.index >= len(drafts) else _at_index(e, drafts[e.index].index)
                for e in exc.errors
            )
            raise

    def _check_unique(self, model: WriteModel, drafts: Sequence[Draft], *, strict: bool = False) -> None:
        """Find taken values before the write, so that a batch can go on without those records."""
        for f in model.unique_fields:
            store = f.kind.store(f.declaration, model.dialect)
            wanted: dict[Any, list[Draft]] = {}
            for draft in drafts:
                value = draft.values.get(f.name)
                if value is not None:
                    wanted.setdefault(value if store is None else store(value), []).append(draft)
            if not wanted:
                continue
            holders: dict[Any, set[int]] = {}
            for chunk in _chunks(list(wanted)):
                marks = ", ".join("?" * len(chunk))
                text = (
                    f'SELECT "{f.column}", id FROM "{model.object_type.table}"'
                    f' WHERE "{f.column}" IN ({marks}) AND deleted_at IS NULL'
                )
                for value, id_ in self.transaction.fetchall(text, chunk):
                    holders.setdefault(_comparable(f, value), set()).add(id_)
            for value, claimants in wanted.items():
                taken = holders.get(_comparable(f, value), set())
                for place, draft in enumerate(claimants):
                    if place or taken - {draft.id}:
                        draft.add(_unique_taken(f.name))
        if strict:
            errors = [e for d in drafts for e in d.errors]
            if errors:
                raise ValidationFailed(errors)

    def _taken(self, model: WriteModel, exc: BaseException) -> KarvanError:
        """A unique value taken by another transaction in between."""
        text = str(exc)
        named = [
            f
            for f in model.unique_fields
            if f'"{f.column}"' in text or f".{f.column}" in text or f"({f.column})" in text
        ]
        if not named:
            named = list(model.unique_fields)
        if not named:
            raise exc
        return ValidationFailed([_unique_taken(f.name) for f in named])

    def _stop_unless(self, partial: bool, drafts: Sequence[Draft]) -> None:
        if partial:
            return
        single = len(drafts) == 1
        errors = [e if single else _at_index(e, d.index) for d in drafts for e in d.errors]
        if errors:
            raise ValidationFailed(errors)

    def _tell(
        self,
        model: WriteModel,
        event: str,
        changes: Sequence[tuple[Draft, Mapping[str, Any]]],
        *,
        version_of: Callable[[Draft], int],
    ) -> None:
        """Write history and outbox rows."""
        uid, past, actor = model.object_type.uid, PAST[event], self.actor.id
        history: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        for draft, changed in changes:
            text = orjson.dumps(changed).decode() if changed else "{}"
            history.append((uid, draft.id, past, self._at, actor, self.source, version_of(draft), text))
            told = orjson.dumps(_pointers(model, draft)).decode() if event == "delete" else text
            events.append((self._at, f"record.{past}", uid, draft.id, actor, self.source, told))
        if len(history) == 1:
            self.transaction.execute(HISTORY_INSERT, history[0])
            self.transaction.execute(outbox.INSERT, events[0])
        else:
            self.transaction.insert_many("k_history", HISTORY_COLUMNS, history)
            self.transaction.insert_many("k_outbox", outbox.COLUMNS, events)


@dataclass(kw_only=True)
class _References:
    """The records and people that a batch points to: name and far fields by object and id."""

    found: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    users: set[int] = field(default_factory=set)

    def with_far_fields(self, model: WriteModel, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with the fields of looked-up records that rules read, as `lookup.field`."""
        flat = dict(values)
        for name, far in model.far_fields.items():
            record = self.found.get(model.lookups[name].name, {}).get(values.get(name) or 0, {})
            for field_name in far:
                flat[f"{name}.{field_name}"] = record.get(field_name)
        return flat


def _pointers(model: WriteModel, draft: Draft) -> dict[str, list[Any]]:
    """The lookups of a record that goes: whoever is told can find what it belonged to no more."""
    fields = model.object_type.fields
    return {fields[n].uid: [draft.before[n], None] for n in model.lookups if draft.before.get(n) is not None}


def _good(drafts: Iterable[Draft]) -> list[Draft]:
    return [d for d in drafts if not d.errors]


def _result(drafts: Sequence[Draft]) -> BulkResult:
    return BulkResult(
        ids=[None if d.errors else d.id for d in drafts],
        errors=[_at_index(e, d.index) for d in drafts for e in d.errors],
        changed=[not d.errors and d.changed for d in drafts],
    )


def _at_index(error: FieldError, index: int) -> FieldError:
    return FieldError(
        field=error.field, code=error.code, template=error.template, params=error.params, index=index
    )


def _as_error(exc: KarvanError, index: int) -> FieldError:
    return FieldError(
        field="", code=exc.code, template="{message}", params={"message": exc.message}, index=index
    )


def _unknown_record(name: str, object: str, id_: int) -> FieldError:
    return FieldError(
        field=name,
        code="unknown_record",
        template="There is no {object} {id}.",
        params={"object": object, "id": id_},
    )


def _unique_taken(name: str) -> FieldError:
    return FieldError(field=name, code="unique_taken", template="Another record has this value already.")


def _comparable(f: FieldType, value: Any) -> Any:
    # PostgreSQL hands numeric and date out as text while the wanted value is an object
    return str(value)


def _chunks(values: Sequence[Any]) -> Iterable[list[Any]]:
    for start in range(0, len(values), CHUNK):
        yield list(values[start : start + CHUNK])
