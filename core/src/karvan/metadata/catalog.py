"""The catalog: the immutable description of all objects, fields and relations now in force."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from karvan.metadata.kinds import KINDS, Kind
from karvan_sdk import declarations, names
from karvan_sdk.errors import UnknownObject
from karvan_sdk.expressions import Condition
from karvan_sdk.fields import Field, Relation
from karvan_sdk.objects import Index, Layout, Object, View
from karvan_sdk.text import Text

DefinitionKind = Literal["object", "field", "index", "view", "layout"]


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One metadata row: what its owner shipped and what an administrator changed about it.

    `uid` is deterministic and never changes; `parent` is the uid of the object a field, index, view or
    layout belongs to, empty for an object; `physical` is the table, column or index name, empty for a
    view or a layout; `detached` rows keep their table or column but are not in the catalog.
    """

    uid: str
    kind: DefinitionKind
    owner: str
    parent: str = ""
    name: str
    physical: str = ""
    shipped: Mapping[str, Any] = field(default_factory=dict)
    override: Mapping[str, Any] = field(default_factory=dict)
    detached: bool = False
    position: int = 0

    @property
    def effective(self) -> dict[str, Any]:
        """The definition in force: the shipped one with the administrator's changes over it."""
        return {**self.shipped, **self.override}


def object_uid(owner: str, name: str) -> str:
    """The uid of an object: `plugin:crm/deal`, `custom/project`."""
    return f"{owner}/{name}"


def part_uid(parent: str, kind: DefinitionKind, owner: str, name: str) -> str:
    """The uid of what belongs to an object: `plugin:crm/deal#field/custom/budget`."""
    return f"{parent}#{kind}/{owner}/{name}"


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """A field as it is in force. `name` is its API name; `column` its physical column.

    `companion` names the currency field whose code this field holds, or is empty.
    """

    uid: str
    name: str
    owner: str
    column: str
    kind: Kind
    declaration: Field
    system: bool = False
    companion: str = ""

    @property
    def key_column(self) -> str | None:
        """The column of the stored sort key, or None where the field has none."""
        return f"{self.column}__k" if self.kind.sort_key else None

    @property
    def scale(self) -> int:
        """The number of decimals of a decimal, currency or percent field; 0 elsewhere."""
        return self.kind.scale(self.declaration)


@dataclass(frozen=True, kw_only=True)
class RelationType:
    """A related list: the records of `source` whose lookup `field` points to the record shown."""

    name: str
    label: Text
    source: str
    field: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IndexType:
    """An index in force: its physical name, the API names of its fields and whether it is unique."""

    uid: str
    owner: str
    physical: str
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ObjectType:
    """An object as it is in force. `name` is its API name, `declaration` speaks API names throughout."""

    uid: str
    name: str
    owner: str
    table: str
    declaration: Object
    fields: Mapping[str, FieldType]
    relations: Mapping[str, RelationType] = field(default_factory=lambda: MappingProxyType({}))
    indexes: tuple[IndexType, ...] = ()

    @property
    def name_field(self) -> str:
        """The API name of the field that stands for the record."""
        return self.declaration.name_field

    @cached_property
    def own_fields(self) -> Mapping[str, FieldType]:
        """The fields that are not system fields, in order."""
        return MappingProxyType({n: f for n, f in self.fields.items() if not f.system})

    @cached_property
    def by_column(self) -> Mapping[str, FieldType]:
        """The fields by physical column."""
        return MappingProxyType({f.column: f for f in self.fields.values()})


NO_PLUGINS: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """What a plugin asks of the records of an object; without a condition (its answer is not to be had) the
    object is closed."""

    plugin: str
    condition: Condition | None = None


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All objects in force at one version of the metadata. Never changed: a new version is a new value.

    `plugins` are the ids of the enabled plugins, `manifests` what they declared when they were enabled,
    `settings` what was set of them for all (JSON values, secrets sealed), `locks` those of their settings
    that people can't set for themselves and why, `restrictions` what they ask of records, by object and
    action; `definitions` are all metadata rows, detached ones too.
    """

    version: int
    objects: Mapping[str, ObjectType]
    plugins: tuple[str, ...] = ()
    definitions: tuple[Definition, ...] = ()
    manifests: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NO_PLUGINS)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NO_PLUGINS)
    locks: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: NO_PLUGINS)
    restrictions: Mapping[tuple[str, str], tuple[Restriction, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def object(self, name: str) -> ObjectType:
        """The object with this API name; raises UnknownObject with a near name if there is one."""
        found = self.objects.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.objects, n=1)
            raise UnknownObject(name, hint=f"Did you mean '{near[0]}'?" if near else "")
        return found

    @cached_property
    def by_uid(self) -> Mapping[str, ObjectType]:
        """The objects by uid."""
        return MappingProxyType({o.uid: o for o in self.objects.values()})

    @cached_property
    def definition_by_uid(self) -> Mapping[str, Definition]:
        """All metadata rows by uid."""
        return MappingProxyType({d.uid: d for d in self.definitions})


SYSTEM_OWNER = "core"
GAP = re.compile(r"\{([a-z0-9_]+)\}")
"""A gap of a name template."""


def _system_field(name: str, type_: str, column: str, label: Text, *, read_only: bool = True) -> FieldType:
    return FieldType(
        uid=f"core#{name}",
        name=name,
        owner=SYSTEM_OWNER,
        column=column,
        kind=KINDS[type_],
        declaration=Field(name=name, type=type_, label=label, read_only=read_only, audited=not read_only),
        system=True,
    )


def _t(en: str, ru: str, fa: str, zh: str) -> Text:
    return Text.of({"en": en, "ru": ru, "fa": fa, "zh": zh})


SYSTEM_FIELDS: tuple[FieldType, ...] = (
    _system_field("id", "id", "id", _t("ID", "ID", "شناسه", "编号")),
    _system_field("version", "integer", "version", _t("Version", "Версия", "نسخه", "版本")),
    _system_field(
        "owner", "user", "owner_id", _t("Owner", "Ответственный", "مسئول", "负责人"), read_only=False
    ),
    _system_field("created_at", "datetime", "created_at", _t("Created", "Создано", "زمان ایجاد", "创建时间")),
    _system_field(
        "created_by", "user", "created_by", _t("Created by", "Кем создано", "ایجادکننده", "创建人")
    ),
    _system_field(
        "updated_at", "datetime", "updated_at", _t("Changed", "Изменено", "زمان تغییر", "修改时间")
    ),
    _system_field(
        "updated_by", "user", "updated_by", _t("Changed by", "Кем изменено", "تغییردهنده", "修改人")
    ),
)
"""The fields that every object has. `deleted_at` and `deleted_by` are columns only; the trash shows them."""

CURRENCY_LABEL = _t("currency", "валюта", "ارز", "币种")


def build_catalog(
    version: int,
    rows: Sequence[Definition],
    plugins: Sequence[str] = (),
    *,
    manifests: Mapping[str, Mapping[str, Any]] = NO_PLUGINS,
    settings: Mapping[str, Mapping[str, Any]] = NO_PLUGINS,
) -> Catalog:
    """Make the catalog from the metadata rows. Pure; detached rows stay out of `objects`.

    A lookup whose target is not in force stays a field without target (its relation vanishes with it).
    """
    parts: dict[str, list[Definition]] = {}
    heads: list[Definition] = []
    for row in sorted(rows, key=lambda d: (d.position, d.uid)):
        if row.detached:
            continue
        if row.kind == "object":
            heads.append(row)
        else:
            parts.setdefault(row.parent, []).append(row)
    objects: dict[str, ObjectType] = {}
    for head in heads:
        made = _object(head, parts.get(head.uid, []))
        objects[made.name] = made
    relations = _relations(objects)
    finished = {
        name: replace(made, relations=MappingProxyType(relations.get(name, {})))
        for name, made in objects.items()
    }
    return Catalog(
        version=version,
        objects=MappingProxyType(finished),
        plugins=tuple(plugins),
        definitions=tuple(rows),
        manifests=manifests,
        settings=settings,
    )


def _object(head: Definition, parts: Sequence[Definition]) -> ObjectType:
    fields: dict[str, FieldType] = {f.name: f for f in SYSTEM_FIELDS}
    for row in parts:
        if row.kind == "field":
            for made in _fields(head, row):
                fields[made.name] = made
    speak = _speaker(head, fields)
    declared = declarations.load_object({**head.effective, "name": head.name, "fields": []})
    views = [declarations.load_view(r.effective) for r in parts if r.kind == "view"]
    layouts = [declarations.load_layout(r.effective) for r in parts if r.kind == "layout"]
    indexes = tuple(
        IndexType(
            uid=r.uid,
            owner=r.owner,
            physical=r.physical,
            fields=tuple(speak(n, r.owner) for n in r.effective["fields"]),
        )
        for r in parts
        if r.kind == "index"
    )
    indexes = tuple(i for i in indexes if all(f in fields for f in i.fields))
    api_name = names.api_object_name(head.owner, head.name)
    declaration = replace(
        declared,
        name=api_name,
        name_field=speak(declared.name_field, head.owner),
        name_template=GAP.sub(lambda m: f"{{{speak(m[1], head.owner)}}}", declared.name_template),
        rules=tuple(replace(r, field=speak(r.field, head.owner)) for r in declared.rules),
        fields=tuple(f.declaration for f in fields.values() if not f.system and not f.companion),
        views=tuple(_spoken_view(v, fields, speak, head.owner) for v in views),
        layouts=tuple(_spoken_layout(x, fields, speak, head.owner) for x in layouts),
        indexes=tuple(Index(fields=i.fields) for i in indexes),
    )
    return ObjectType(
        uid=head.uid,
        name=api_name,
        owner=head.owner,
        table=head.physical,
        declaration=declaration,
        fields=MappingProxyType(fields),
        indexes=indexes,
    )


def _speaker(head: Definition, fields: Mapping[str, FieldType]) -> Callable[[str, str], str]:
    """What turns a name as its owner wrote it into the API name; an API name stays what it is."""

    def speak(name: str, owner: str) -> str:
        if not name or name in fields:
            return name
        api = names.api_field_name(owner, head.owner, name)
        return api if api in fields else name

    return speak


def _fields(head: Definition, row: Definition) -> list[FieldType]:
    api = names.api_field_name(row.owner, head.owner, row.name)
    declared = replace(declarations.load_field(row.effective), name=api)
    main = FieldType(
        uid=row.uid,
        name=api,
        owner=row.owner,
        column=row.physical,
        kind=KINDS[declared.type],
        declaration=declared,
    )
    if declared.type != "currency":
        return [main]
    label = Text.of({k: f"{v} ({CURRENCY_LABEL(k)})" for k, v in declared.label.as_dict().items()})
    code = FieldType(
        uid=f"{row.uid}#currency",
        name=f"{api}_currency",
        owner=row.owner,
        column=f"{row.physical}__c",
        kind=KINDS["currency_code"],
        declaration=Field(
            name=f"{api}_currency", type="currency_code", label=label, read_only=declared.read_only
        ),
        companion=api,
    )
    return [main, code]


def _spoken_view(
    view: View, fields: Mapping[str, FieldType], speak: Callable[[str, str], str], owner: str
) -> View:
    columns = (speak(c, owner) for c in view.columns)
    sort = (("-" if s.startswith("-") else "") + speak(s.removeprefix("-"), owner) for s in view.sort)
    return replace(
        view,
        columns=tuple(c for c in columns if c in fields),
        sort=tuple(s for s in sort if s.removeprefix("-") in fields),
    )


def _spoken_layout(
    layout: Layout, fields: Mapping[str, FieldType], speak: Callable[[str, str], str], owner: str
) -> Layout:
    sections = tuple(
        replace(s, fields=tuple(n for n in (speak(f, owner) for f in s.fields) if n in fields))
        for s in layout.sections
    )
    path = speak(layout.path, owner)
    return replace(layout, sections=sections, path=path if path in fields else "")


def _spoken_columns(columns: Sequence[str], source: ObjectType, lookup: FieldType) -> tuple[str, ...]:
    """The columns of a related list by API name, as the lookup's owner wrote them or already so."""
    spoken = (
        c if c in source.fields else names.api_field_name(lookup.owner, source.owner, c) for c in columns
    )
    return tuple(c for c in spoken if c in source.fields)


def _relations(objects: Mapping[str, ObjectType]) -> dict[str, dict[str, RelationType]]:
    found: dict[str, dict[str, RelationType]] = {}
    for source in objects.values():
        for field_type in source.fields.values():
            target = field_type.declaration.target
            if target is None or target not in objects:
                continue
            shown = field_type.declaration.relation or Relation(name=f"{source.name}_{field_type.name}")
            of_target = found.setdefault(target, {})
            name = shown.name if shown.name not in of_target else f"{source.name}_{field_type.name}"
            of_target[name] = RelationType(
                name=name,
                label=shown.label or source.declaration.label_plural or source.declaration.label,
                source=source.name,
                field=field_type.name,
                columns=_spoken_columns(shown.columns, source, field_type),
            )
    return found
