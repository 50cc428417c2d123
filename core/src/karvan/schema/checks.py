"""Whether a catalog to be can stand: names, targets, defaults, widths; every finding at once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from karvan.metadata.catalog import Catalog, Definition, ObjectType
from karvan.metadata.kinds import Wrong
from karvan.metadata.tables import COLUMNS_MAX, WIDTH_MAX, field_columns, width_of
from karvan.schema.plan import parts_of, whole_object
from karvan_sdk import names
from karvan_sdk.errors import Conflict, FieldError, SchemaRefused, ValidationFailed


def check_next(catalog: Catalog, rows: Mapping[str, Definition], touched: Iterable[str]) -> None:
    """Raise Conflict for names held twice, SchemaRefused for a row too wide, ValidationFailed for the rest."""
    changed = [rows[u] for u in touched if u in rows and not rows[u].detached]
    heads = {r.uid: r for r in changed if r.kind == "object"}
    heads |= {r.parent: rows[r.parent] for r in changed if r.parent}
    _check_object_names(rows, heads)
    for head in heads.values():
        whole = whole_object(head, parts_of(rows, head), detached=True)
        _check_columns(rows, head)
        _check_width(whole)
    errors = [
        error
        for head in heads.values()
        if not head.detached
        for error in _object_findings(catalog, catalog.by_uid[head.uid], changed)
    ]
    if errors:
        raise ValidationFailed(errors)


def _check_object_names(rows: Mapping[str, Definition], heads: Mapping[str, Definition]) -> None:
    for head in heads.values():
        api = names.api_object_name(head.owner, head.name)
        for other in rows.values():
            if other.kind != "object" or other.uid == head.uid:
                continue
            if other.physical == head.physical:
                raise Conflict(f"The table '{head.physical}' belongs to {other.uid}.")
            if other.detached or head.detached:
                continue
            if names.api_object_name(other.owner, other.name) == api:
                raise Conflict(f"The name '{api}' is held by {other.owner}. Disable or rename that first.")


def _check_columns(rows: Mapping[str, Definition], head: Definition) -> None:
    """No two fields of an object, detached ones counted, may come to the same API name or column."""
    api: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for row in parts_of(rows, head):
        if row.kind != "field":
            continue
        for field in whole_object(head, [row], detached=True).own_fields.values():
            api[field.name] += 1
            columns.update(str(c.name) for c in field_columns(field, "sqlite"))
    twice = [n for counted in (api, columns) for n, count in counted.items() if count > 1]
    if twice:
        raise Conflict(f"The name '{twice[0]}' would stand twice on '{head.name}'. Choose another.")


def _check_width(whole: ObjectType) -> None:
    width, columns = width_of(whole.own_fields.values())
    if width <= WIDTH_MAX and columns <= COLUMNS_MAX:
        return
    kept: list[str] = []
    over: list[str] = []
    for name, field in whole.own_fields.items():
        trial = width_of([whole.fields[n] for n in kept] + [field])
        (kept if trial[0] <= WIDTH_MAX and trial[1] <= COLUMNS_MAX else over).append(name)
    raise SchemaRefused(
        f"'{whole.name}' would be too wide: {width} bytes of {WIDTH_MAX}, {columns} columns of {COLUMNS_MAX} "
        f"(fields taken out of use count until they are purged). No room for: {', '.join(over)}. Purge "
        "fields that are no longer needed, or put these on an object of their own with a lookup."
    )


def _object_findings(
    catalog: Catalog, object_type: ObjectType, changed: Iterable[Definition]
) -> Iterable[FieldError]:
    touched = {r.uid for r in changed}
    if object_type.name_field not in object_type.fields:
        yield FieldError(
            field="name_field",
            code="unknown_field",
            template="There is no field '{field}' on '{object}'.",
            params={"field": object_type.name_field, "object": object_type.name},
        )
    for field in object_type.own_fields.values():
        if field.uid not in touched:
            continue
        declared = field.declaration
        if declared.target and declared.target not in catalog.objects:
            yield FieldError(
                field=field.name,
                code="unknown_object",
                template="There is no object '{object}' to look up.",
                params={"object": declared.target},
            )
        if declared.default not in (None, ""):
            try:
                field.kind.load(declared, declared.default)
            except Wrong as exc:
                yield FieldError(field=field.name, code=exc.code, template=exc.template, params=exc.params)
