"""What can be changed about the schema, as values, and what each makes of the metadata rows: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from types import MappingProxyType
from typing import Any

from karvan.metadata.catalog import (
    Definition,
    DefinitionKind,
    object_uid,
    part_uid,
)
from karvan.metadata.tables import declared_index
from karvan.schema.plan import whole_object
from karvan_sdk import declarations, names
from karvan_sdk.errors import (
    Conflict,
    FieldError,
    InUse,
    NotAllowed,
    SchemaRefused,
    UnknownField,
    UnknownObject,
    ValidationFailed,
)
from karvan_sdk.fields import Field, Option
from karvan_sdk.manifest import Manifest, check_field, check_object
from karvan_sdk.objects import Object

CUSTOM = "custom"
FIELD_PATCH = frozenset(
    [
        "label", "help", "required", "unique", "read_only", "read_only_after_create", "audited", "hidden",
        "indexed", "default", "minimum", "maximum", "max_length", "pattern", "options", "on_delete",
        "relation", "synonyms", "option_types",
    ]
)  # fmt: skip
OBJECT_PATCH = frozenset(
    [
        "label",
        "label_plural",
        "icon",
        "name_field",
        "name_template",
        "rules",
        "synonyms",
        "in_navigation",
        "views",
        "layouts",
    ]
)
FIXED = ("type", "scale", "target")
"""What is decided when a field is made: its column depends on it, or what other records point to."""


@dataclass(frozen=True, kw_only=True)
class CreateObject:
    """An administrator's new object; a detached one of the same name comes back with its data."""

    declaration: Object


@dataclass(frozen=True, kw_only=True)
class UpdateObject:
    """Change what `OBJECT_PATCH` lists (JSON form); None takes a change back."""

    object: str
    patch: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DetachObject:
    """Take an administrator's object out of use; its table and records are kept."""

    object: str


@dataclass(frozen=True, kw_only=True)
class AddFields:
    """An administrator's new fields on any object; a detached one of the same name and type comes back."""

    object: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class UpdateField:
    """Change what `FIELD_PATCH` lists (JSON form); None takes a change back."""

    object: str
    field: str
    patch: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DetachField:
    """Take an administrator's field out of use; its column and values are kept."""

    object: str
    field: str


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """Further options of a select field, whoever owns it."""

    object: str
    field: str
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True)
class EnablePlugin:
    """Bring everything that a manifest declares into use; what it no longer declares is detached."""

    manifest: Manifest
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class DisablePlugin:
    """Take everything of a plugin out of use; its tables and columns are kept."""

    plugin: str


@dataclass(frozen=True, kw_only=True)
class Purge:
    """Drop what `owner` has detached: everything, one object, or one field of an object."""

    owner: str
    object: str = ""
    field: str = ""


Edit = (
    CreateObject
    | UpdateObject
    | DetachObject
    | AddFields
    | UpdateField
    | DetachField
    | AddOptions
    | EnablePlugin
    | DisablePlugin
    | Purge
)


@dataclass(frozen=True, kw_only=True)
class Next:
    """The rows after an edit, and the uids whose declarations came in with it and are to be checked.

    `conflicts` lists keys that a plugin's upgrade and an administrator both changed: the change of the
    administrator stays in force.
    """

    rows: Mapping[str, Definition]
    touched: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = field(default=())


def next_rows(rows: Iterable[Definition], edit: Edit) -> Next:
    """The metadata rows after `edit`.

    Raises ValidationFailed, SchemaRefused, Conflict, InUse, UnknownObject or UnknownField.
    """
    draft = _Draft(rows)
    draft.make(edit)
    if draft.errors:
        raise ValidationFailed(draft.errors)
    draft.name_indexes()
    return Next(
        rows=MappingProxyType(draft.rows),
        touched=tuple(draft.touched),
        conflicts=tuple(draft.conflicts),
    )


class _Draft:
    """The rows while one edit is being made of them; errors are gathered, not raised one by one."""

    def __init__(self, rows: Iterable[Definition]) -> None:
        self.rows: dict[str, Definition] = {r.uid: r for r in rows}
        self.position = max((r.position for r in self.rows.values()), default=0)
        self.touched: dict[str, None] = {}  # in the order of the edit, so that errors are too
        self.errors: list[FieldError] = []
        self.conflicts: list[str] = []

    @singledispatchmethod
    def make(self, edit: Edit) -> None:
        raise TypeError(f"no way to make {edit!r}")

    # -- an administrator's edits ----------------------------------------------------------------------

    @make.register
    def _create_object(self, edit: CreateObject) -> None:
        declared = edit.declaration
        self.errors += check_object(_with_bare_names(declared))
        head = self.rows.get(object_uid(CUSTOM, declared.name))
        if head is not None and not head.detached:
            raise Conflict(f"There is an object '{names.api_object_name(CUSTOM, declared.name)}' already.")
        if not self.errors:
            self._declare_object(CUSTOM, declared)

    @make.register
    def _update_object(self, edit: UpdateObject) -> None:
        head = self._head(edit.object)
        _refuse_unknown_keys(edit.patch, OBJECT_PATCH)
        parts = {k: edit.patch[k] for k in ("views", "layouts") if k in edit.patch}
        body = {k: v for k, v in edit.patch.items() if k not in parts}
        declared = declarations.load_object(
            {**head.effective, **{k: v for k, v in edit.patch.items() if v is not None}, "name": head.name}
        )
        if body:
            self._put(_patched(head, body, declarations.dump(declared)))
        if "views" in parts:
            self._replace_parts(head, "view", [(v.name, declarations.dump(v)) for v in declared.views])
        if "layouts" in parts:
            self._replace_parts(head, "layout", [(x.name, declarations.dump(x)) for x in declared.layouts])

    @make.register
    def _detach_object(self, edit: DetachObject) -> None:
        head = self._head(edit.object)
        _only_own(head, edit.object)
        self._put(replace(head, detached=True))

    @make.register
    def _add_fields(self, edit: AddFields) -> None:
        head = self._head(edit.object)
        seen: set[str] = set()
        for declared in edit.fields:
            self.errors += check_field(declared, at=declared.name)
            there = self.rows.get(part_uid(head.uid, "field", CUSTOM, declared.name))
            if declared.name in seen or (there is not None and not there.detached):
                api = names.api_field_name(CUSTOM, head.owner, declared.name)
                self._wrong(declared.name, "conflict", "There is a field '{name}' already.", name=api)
            seen.add(declared.name)
        if not self.errors:
            for declared in edit.fields:
                self._declare_field(CUSTOM, head, declared)

    @make.register
    def _update_field(self, edit: UpdateField) -> None:
        row = self._field(edit.object, edit.field)
        fixed = [k for k in FIXED if k in edit.patch and edit.patch[k] != row.effective.get(k)]
        if fixed:
            raise SchemaRefused(
                f"The {fixed[0]} of '{edit.field}' can't be changed. Make another field and copy the values."
            )
        patch = {k: v for k, v in edit.patch.items() if k not in FIXED}
        _refuse_unknown_keys(patch, FIELD_PATCH)
        declared = declarations.load_field(
            {**row.effective, **{k: v for k, v in patch.items() if v is not None}}
        )
        self.errors += check_field(declared, at="")
        gone = {o["value"] for o in row.effective.get("options", ())} - {o.value for o in declared.options}
        if patch.get("options") is not None and gone:
            raise SchemaRefused(
                f"Options can't be removed, records may hold them: {', '.join(sorted(gone))}."
            )
        self._put(_patched(row, patch, declarations.dump(declared)))

    @make.register
    def _detach_field(self, edit: DetachField) -> None:
        row = self._field(edit.object, edit.field)
        _only_own(row, edit.field)
        self._put(replace(row, detached=True))

    @make.register
    def _add_options(self, edit: AddOptions) -> None:
        row = self._field(edit.object, edit.field)
        if row.effective["type"] != "select":
            raise SchemaRefused(f"'{edit.field}' is no select field, so it has no options.")
        there = list(row.effective.get("options", ()))
        held = {o["value"] for o in there}
        for option in edit.options:
            if option.value in held:
                self._wrong(
                    edit.field, "conflict", "There is an option '{value}' already.", value=option.value
                )
            held.add(option.value)
        options = [*there, *(declarations.dump(o) for o in edit.options)]
        self.errors += check_field(declarations.load_field({**row.effective, "options": options}), at="")
        self._put(_patched(row, {"options": options}, {}))

    # -- plugins ---------------------------------------------------------------------------------------

    @make.register
    def _enable_plugin(self, edit: EnablePlugin) -> None:
        owner = f"plugin:{edit.manifest.id}"
        before = dict(self.rows)
        kept: set[str] = set()
        for declared in edit.manifest.objects:
            kept |= self._declare_object(owner, declared)
        for foreign in edit.manifest.fields:
            try:
                head = self._head(foreign.object)
            except UnknownObject as exc:
                self._wrong(foreign.field.name, exc.code, "{why}", why=exc.message)
                continue
            kept.add(self._declare_field(owner, head, foreign.field))
        for uid, row in before.items():
            if row.owner == owner and uid not in kept and not row.detached:
                self.rows[uid] = replace(row, detached=True)

    @make.register
    def _disable_plugin(self, edit: DisablePlugin) -> None:
        owner = f"plugin:{edit.plugin}"
        for uid, row in self.rows.items():
            inside = row.parent and self.rows[row.parent].owner == owner
            if row.owner == owner and not inside:
                self.rows[uid] = replace(row, detached=True)

    @make.register
    def _purge(self, edit: Purge) -> None:
        gone = self._to_purge(edit)
        for uid in [u for u, r in self.rows.items() if u in gone or r.parent in gone]:
            row = self.rows[uid]
            if row.owner != edit.owner and row.kind == "field":
                held = ", ".join(
                    r.uid for r in self.rows.values() if r.parent in gone and r.owner != edit.owner
                )
                raise InUse(what=self.rows[row.parent].name, why=f"others keep fields on it: {held}.")
            gone.add(uid)
        for uid in gone:
            del self.rows[uid]

    def _to_purge(self, edit: Purge) -> set[str]:
        def idle(row: Definition) -> bool:
            return row.detached or bool(row.parent and self.rows[row.parent].detached)

        mine = {u for u, r in self.rows.items() if r.owner == edit.owner}
        if not edit.object:
            return {u for u in mine if self.rows[u].detached}
        heads = [r for r in self.rows.values() if r.kind == "object" and _is_called(r, edit.object)]
        heads = [h for h in heads if h.owner == edit.owner] or heads
        if not heads:
            raise UnknownObject(edit.object)
        head = heads[0]
        if not edit.field:
            found = {head.uid}
        else:
            found = {
                u
                for u, r in self.rows.items()
                if r.parent == head.uid and r.kind == "field" and _field_api(r, head) == edit.field
            }
        if not found:
            raise UnknownField(edit.field, edit.object)
        for uid in found:
            if uid not in mine:
                raise SchemaRefused(f"'{edit.field or edit.object}' does not belong to {edit.owner}.")
            if not idle(self.rows[uid]):
                raise SchemaRefused(
                    f"'{edit.field or edit.object}' is in use. Detach it first, then purge it."
                )
        return found

    # -- rows ------------------------------------------------------------------------------------------

    def _declare_object(self, owner: str, declared: Object) -> set[str]:
        """Put an object with all its parts; gives their uids."""
        body = declarations.dump(replace(declared, fields=(), indexes=(), views=(), layouts=()))
        head = Definition(
            uid=object_uid(owner, declared.name),
            kind="object",
            owner=owner,
            name=declared.name,
            physical=names.table_name(owner, declared.name),
            shipped=body,
        )
        self._ship(head)
        head = self.rows[head.uid]
        kept = {head.uid}
        kept |= {self._declare_field(owner, head, f) for f in declared.fields}
        indexes = [("_".join(i.fields), declarations.dump(i)) for i in declared.indexes]
        kept |= self._declare_parts(owner, head, "index", indexes)
        kept |= self._declare_parts(
            owner, head, "view", [(v.name, declarations.dump(v)) for v in declared.views]
        )
        kept |= self._declare_parts(
            owner, head, "layout", [(x.name, declarations.dump(x)) for x in declared.layouts]
        )
        return kept

    def _declare_field(self, owner: str, head: Definition, declared: Field) -> str:
        row = Definition(
            uid=part_uid(head.uid, "field", owner, declared.name),
            kind="field",
            owner=owner,
            parent=head.uid,
            name=declared.name,
            physical=names.column_name(owner, head.owner, declared.name),
            shipped=declarations.dump(declared),
        )
        there = self.rows.get(row.uid)
        if there is not None and _column_of(there.shipped) != _column_of(row.shipped):
            raise SchemaRefused(
                f"'{_field_api(row, head)}' existed as {_describe(there.shipped)} and its values are kept; "
                f"it can't come back as {_describe(row.shipped)}. Purge the old one first, or take "
                "another name."
            )
        self._ship(row)
        return row.uid

    def _declare_parts(
        self, owner: str, head: Definition, kind: DefinitionKind, parts: Sequence[tuple[str, dict[str, Any]]]
    ) -> set[str]:
        """Put views, layouts or indexes; one of the head's owner with the same name gets an override."""
        kept: set[str] = set()
        for name, body in parts:
            shipped = self.rows.get(part_uid(head.uid, kind, head.owner, name))
            if shipped is not None and owner != head.owner:
                blank = {k: type(v)() for k, v in shipped.shipped.items()}
                self._put(replace(shipped, override={**blank, **body}))
                kept.add(shipped.uid)
                continue
            row = Definition(
                uid=part_uid(head.uid, kind, owner, name),
                kind=kind,
                owner=owner,
                parent=head.uid,
                name=name,
                shipped=body,
            )
            self._ship(row)
            kept.add(row.uid)
        return kept

    def _replace_parts(
        self, head: Definition, kind: DefinitionKind, parts: Sequence[tuple[str, dict[str, Any]]]
    ) -> None:
        """Make `parts` all that administrators say: their others vanish, shipped ones are as shipped."""
        kept = self._declare_parts(CUSTOM, head, kind, parts)
        for row in [r for r in self.rows.values() if r.parent == head.uid and r.kind == kind]:
            if row.uid not in kept and row.owner == CUSTOM:
                del self.rows[row.uid]
            elif row.uid not in kept:
                self._put(replace(row, override={}))

    def _ship(self, row: Definition) -> None:
        """Put what an owner declares: new, or merged with the row that is there (three ways)."""
        there = self.rows.get(row.uid)
        if there is None:
            self.position += 1
            self._put(replace(row, position=self.position))
            return
        override = dict(there.override)
        for key in there.override:
            old, new = there.shipped.get(key), row.shipped.get(key)
            if old == new:
                continue
            if key == "options":
                override[key] = _merge_options(old or [], new or [], override[key])
            else:
                self.conflicts.append(f"{row.uid}.{key}")
        self._put(replace(there, shipped=row.shipped, override=override, detached=False))

    def name_indexes(self) -> None:
        """Give every declared index the name that its table's index has."""
        for uid in [u for u in self.touched if u in self.rows and self.rows[u].kind == "index"]:
            row = self.rows[uid]
            parts = [r for r in self.rows.values() if r.parent == row.parent]
            made = whole_object(self.rows[row.parent], parts)
            for index in made.indexes:
                if index.uid == uid:
                    physical = declared_index(made, index.fields).name
                    self.rows[uid] = replace(row, physical=physical)

    def _put(self, row: Definition) -> None:
        if self.rows.get(row.uid) != row:
            self.rows[row.uid] = row
            self.touched[row.uid] = None

    def _wrong(self, at: str, code: str, template: str, **params: Any) -> None:
        self.errors.append(FieldError(field=at, code=code, template=template, params=params))

    def _head(self, object: str) -> Definition:
        for row in self.rows.values():
            if row.kind == "object" and not row.detached and _object_api(row) == object:
                return row
        raise UnknownObject(object)

    def _field(self, object: str, name: str) -> Definition:
        head = self._head(object)
        for row in self.rows.values():
            mine = row.parent == head.uid and row.kind == "field" and not row.detached
            if mine and _field_api(row, head) == name:
                return row
        raise UnknownField(name, object)


def _object_api(head: Definition) -> str:
    return names.api_object_name(head.owner, head.name)


def _is_called(head: Definition, name: str) -> bool:
    return name in (head.uid, _object_api(head))


def _field_api(row: Definition, head: Definition) -> str:
    return names.api_field_name(row.owner, head.owner, row.name)


def _only_own(row: Definition, name: str) -> None:
    if row.owner != CUSTOM:
        plugin = row.owner.removeprefix("plugin:")
        raise NotAllowed(
            action="detach",
            object=name,
            reason=f"it belongs to plugin '{plugin}'. Disable the plugin instead.",
        )


def _column_of(shipped: Mapping[str, Any]) -> tuple[Any, ...]:
    return (shipped["type"], shipped.get("scale"), shipped.get("target"))


def _describe(shipped: Mapping[str, Any]) -> str:
    more = [f"{k} {shipped[k]}" for k in ("scale", "target") if shipped.get(k) is not None]
    return " with ".join([str(shipped["type"]), ", ".join(more)]) if more else str(shipped["type"])


def _patched(row: Definition, patch: Mapping[str, Any], dumped: Mapping[str, Any]) -> Definition:
    """A row with an administrator's changes; None takes one back. `dumped` holds them in their full form."""
    base = row.shipped if row.owner == CUSTOM else row.override
    merged = {**base, **{k: v if v is None else dumped.get(k, v) for k, v in patch.items()}}
    changed = {k: v for k, v in merged.items() if v is not None}
    return replace(row, shipped=changed) if row.owner == CUSTOM else replace(row, override=changed)


def _merge_options(old: Sequence[Any], new: Sequence[Any], own: Sequence[Any]) -> list[Any]:
    """The administrator's options with those that the new version of the plugin brings."""
    known = {o["value"] for o in old} | {o["value"] for o in own}
    return [*own, *(o for o in new if o["value"] not in known)]


def _refuse_unknown_keys(patch: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = [k for k in patch if k not in known]
    if unknown:
        raise ValidationFailed(
            FieldError(
                field=k, code="unknown_key", template="'{key}' can't be changed here.", params={"key": k}
            )
            for k in unknown
        )


def _with_bare_names(declared: Object) -> Object:
    """The declaration as its check reads it: own fields may be named `c_budget` or `budget`."""
    own = {f"c_{f.name}": f.name for f in declared.fields}

    def bare(name: str) -> str:
        sign = "-" if name.startswith("-") else ""
        return sign + own.get(name.removeprefix("-"), name.removeprefix("-"))

    def all_bare(given: Iterable[str]) -> tuple[str, ...]:
        return tuple(bare(n) for n in given)

    return replace(
        declared,
        name_field=bare(declared.name_field),
        indexes=tuple(replace(i, fields=all_bare(i.fields)) for i in declared.indexes),
        views=tuple(replace(v, columns=all_bare(v.columns), sort=all_bare(v.sort)) for v in declared.views),
        layouts=tuple(
            replace(x, sections=tuple(replace(s, fields=all_bare(s.fields)) for s in x.sections))
            for x in declared.layouts
        ),
    )
