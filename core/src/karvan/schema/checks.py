"""Whether a catalog to be can stand: names, targets, defaults, widths, expressions; all findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from karvan.metadata.catalog import Catalog, Definition, FieldType, ObjectType
from karvan.metadata.kinds import Wrong
from karvan.metadata.scope import CatalogScope
from karvan.metadata.tables import COLUMNS_MAX, WIDTH_MAX, field_columns, width_of
from karvan.schema.plan import parts_of, whole_object
from karvan_sdk import names
from karvan_sdk.errors import Conflict, FieldError, InUse, SchemaRefused, ValidationFailed
from karvan_sdk.expressions import FILTER, RULE, ExpressionError, compile_condition


def check_next(catalog: Catalog, rows: Mapping[str, Definition], touched: Iterable[str]) -> None:
    """Whether what came in can stand.

    Raises Conflict for a name held twice, SchemaRefused for a row too wide, ValidationFailed for the rest.
    """
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
    held: list[str] = []
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
                held.append(f"The name '{api}' is held by {other.owner}.")
    if held:
        raise Conflict(" ".join(held) + " Take that out of use first, or choose another name.")


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
        yield from _default_findings(field)
    for place, (owner, message) in _broken_expressions(catalog, object_type).items():
        if owner in touched:
            yield FieldError(field=place, code="bad_expression", template="{why}", params={"why": message})


def check_uses(before: Catalog, after: Catalog, gone: Iterable[Definition], *, views: bool) -> None:
    """Raise InUse where the rows that go out of use are still named by what stays.

    Rules and name fields always count, since no record could be written without them. With `views`,
    views count too; those that a disabled plugin breaks are shown as suspended instead.
    """
    lost = {r.uid: r for r in gone}
    if not lost:
        return
    uses: list[str] = []
    for object_type in after.objects.values():
        old = before.by_uid.get(object_type.uid)
        if old is None:
            continue
        if old.fields[old.name_field].uid in lost:
            uses.append(f"it is the name field of '{object_type.name}'")
        sound = _broken_expressions(before, old)
        uses += [
            f"{place} of '{object_type.name}' needs it"
            for place in _broken_expressions(after, object_type)
            if place not in sound and (views or not place.startswith("views."))
        ]
    if uses:
        what = ", ".join(f"'{r.name}'" for r in lost.values() if r.kind in ("object", "field"))
        raise InUse(what=what, why="; ".join(uses) + ". Change that first.")


def _broken_expressions(catalog: Catalog, object_type: ObjectType) -> dict[str, tuple[str, str]]:
    """Place → (uid of the row that declares it, what is wrong), of all rules and view filters."""
    scope = CatalogScope(catalog=catalog, object_type=object_type)
    declared = object_type.declaration
    texts = [(f"rules.{r.name}.condition", object_type.uid, r.condition, RULE) for r in declared.rules]
    holders = {d.name: d.uid for d in catalog.definitions if d.parent == object_type.uid and d.kind == "view"}
    texts += [
        (f"views.{v.name}.filter", holders[v.name], v.filter, FILTER) for v in declared.views if v.filter
    ]
    broken: dict[str, tuple[str, str]] = {}
    for place, owner, text, context in texts:
        try:
            compile_condition(text, scope, context)
        except ExpressionError as exc:
            broken[place] = (owner, exc.message)
    return broken


def _default_findings(field: FieldType) -> Iterable[FieldError]:
    declared = field.declaration
    if declared.default not in (None, ""):
        try:
            field.kind.load(declared, declared.default)
        except Wrong as exc:
            yield FieldError(field=field.name, code=exc.code, template=exc.template, params=exc.params)
