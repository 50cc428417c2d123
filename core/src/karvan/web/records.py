"""Pages of one record: seeing, making, changing, deleting and bringing it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from karvan.metadata.catalog import FieldType, ObjectType, RelationType
from karvan.records.reader import Reader
from karvan.records.shapes import ListQuery
from karvan.web.cells import cells, expandable, moment_html, table_rows
from karvan.web.faults import by_field, say
from karvan.web.forms import first_values, make_inputs, read_form
from karvan.web.lists import find_names, list_fields, make_columns, shown_count, wanted_fields
from karvan.web.visit import Workspace, reader_of, signed_in, this_visit
from karvan_sdk.errors import (
    FieldError,
    KarvanError,
    PluginFailed,
    RecordNotFound,
    Rejected,
    ValidationFailed,
    VersionMismatch,
)
from karvan_sdk.objects import Layout

RELATED = 5
RELATED_COLUMNS = 4
HISTORY = 20
EVENT_ICONS = {"created": "plus", "updated": "pencil", "deleted": "trash", "restored": "restore"}
Page = str | Response | tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled group of fields: (label, html) pairs on the record page, inputs on the edit page."""

    label: str
    entries: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One option of the field that is drawn as a path."""

    value: str
    label: str
    state: str
    tone: str


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """The pages of single records of every object."""

    @web.get("/<object>/new")
    def new(object: str) -> str:
        reader = reader_of(workspace)
        object_type = reader.catalog.object(object)
        values = first_values(object_type, signed_in(workspace).id)
        given = {k: v for k, v in request.args.items() if k in object_type.own_fields}
        return _form_page(workspace, object_type, {**values, **_from_link(reader, object_type, given)})

    @web.post("/<object>/new")
    def create(object: str) -> Page:
        object_type = reader_of(workspace).catalog.object(object)
        values, errors = _posted(workspace, object_type, created=True)
        try:
            with workspace.records.write(signed_in(workspace), source="web") as writer:
                made = writer.create(object, values)
                _stop_if(errors)
        except REFUSALS as exc:
            return _form_page(workspace, object_type, {}, refused=_with(errors, exc)), 422
        return redirect(url_for("web.record", object=object, id=made["id"]))

    @web.get("/<object>/<int:id>")
    def record(object: str, id: int) -> Page:
        return _record_page(workspace, object, id)

    @web.get("/<object>/<int:id>/edit")
    def edit(object: str, id: int) -> str:
        object_type, found = _read(workspace, object, id)
        return _form_page(workspace, object_type, found)

    @web.post("/<object>/<int:id>/edit")
    def change(object: str, id: int) -> Page:
        object_type, found = _read(workspace, object, id)
        values, errors = _posted(workspace, object_type, created=False)
        try:
            with workspace.records.write(signed_in(workspace), source="web") as writer:
                writer.update(object, id, _changed(values, found), version=_version())
                _stop_if(errors)
        except REFUSALS as refusal:
            exc = _with(errors, refusal)
            if "from_path" in request.form:
                return _record_page(workspace, object, id, problem=_sum_up(object_type, exc)), 422
            return _form_page(workspace, object_type, found, refused=exc), 422
        return redirect(url_for("web.record", object=object, id=id))

    @web.post("/<object>/<int:id>/delete")
    def delete(object: str, id: int) -> Page:
        try:
            with workspace.records.write(signed_in(workspace), source="web") as writer:
                writer.delete(object, id)
        except REFUSALS as exc:
            object_type = reader_of(workspace).catalog.object(object)
            return _record_page(workspace, object, id, problem=_sum_up(object_type, exc)), 422
        return redirect(url_for("web.records", object=object, deleted=id))

    @web.post("/<object>/<int:id>/restore")
    def restore(object: str, id: int) -> Page:
        with workspace.records.write(signed_in(workspace), source="web") as writer:
            writer.restore(object, id)
        return redirect(url_for("web.record", object=object, id=id))


REFUSALS = (ValidationFailed, Rejected, PluginFailed, VersionMismatch)
"""What a form answers itself, with the reason where it belongs; everything else has a page of its own."""


# -- the record page -----------------------------------------------------------------------------------------


def _read(workspace: Workspace, object: str, id: int) -> tuple[ObjectType, dict[str, Any]]:
    reader = reader_of(workspace)
    object_type = reader.catalog.object(object)
    return object_type, reader.get(object, id, expand=expandable(object_type.fields.values()))


def _record_page(workspace: Workspace, object: str, id: int, problem: str = "") -> str:
    object_type, found = _read(workspace, object, id)
    reader, visit = reader_of(workspace), this_visit(workspace)
    layout = _layout(object_type)
    name = found.get(object_type.name_field)
    return render_template(
        "record.html",
        object=object_type,
        record=found,
        title=f"#{id}" if name is None else str(name),
        steps=_steps(object_type, layout, found, visit.language),
        path=layout.path,
        sections=_shown_sections(workspace, object_type, layout, found),
        facts=_facts(workspace, object_type, found),
        related=[_related(workspace, object, id, r) for r in object_type.relations.values()],
        history=_history(workspace, object_type, reader, id),
        problem=problem,
    )


def _layout(object_type: ObjectType) -> Layout:
    layouts = object_type.declaration.layouts
    return next((x for x in layouts if x.name == "record"), layouts[0] if layouts else Layout())


def _grouped(object_type: ObjectType, layout: Layout, language: str) -> list[tuple[str, list[str]]]:
    """Section label and field names; the fields that the layout does not name follow at the end."""
    named = {name for section in layout.sections for name in section.fields}
    groups = [(s.label(language), [f for f in s.fields if _shown(object_type, f)]) for s in layout.sections]
    others = (*object_type.own_fields, "owner")
    rest = [n for n in others if n not in named and _shown(object_type, n)]
    if rest:
        groups.append((_("More") if groups else _("Details"), rest))
    return [(label or _("Details"), names) for label, names in groups if names]


def _shown(object_type: ObjectType, name: str) -> bool:
    found = object_type.fields.get(name)
    return found is not None and not found.companion and not found.declaration.hidden


def _entry(workspace: Workspace, field: FieldType, found: Mapping[str, Any]) -> tuple[str, Markup]:
    visit = this_visit(workspace)
    column = make_columns([field], visit.formats, [found], cut=False)[0]
    html = cells([found.get(field.name)], column)[0]
    label = field.declaration.label(visit.language) or field.name
    return label, Markup(html)  # noqa: S704  escaped by the renderer


def _shown_sections(
    workspace: Workspace, object_type: ObjectType, layout: Layout, found: Mapping[str, Any]
) -> list[Section]:
    groups = _grouped(object_type, layout, this_visit(workspace).language)
    return [
        Section(
            label=label,
            entries=tuple(_entry(workspace, object_type.fields[n], found) for n in names if n != layout.path),
        )
        for label, names in groups
    ]


def _facts(
    workspace: Workspace, object_type: ObjectType, found: Mapping[str, Any]
) -> list[tuple[str, Markup]]:
    names = ("created_at", "created_by", "updated_at", "updated_by")
    return [_entry(workspace, object_type.fields[n], found) for n in names]


def _steps(object_type: ObjectType, layout: Layout, found: Mapping[str, Any], language: str) -> list[Step]:
    """The options of the path field. Behind the current one all are done, unless it is a bad end."""
    if not layout.path or layout.path not in object_type.fields:
        return []
    options = object_type.fields[layout.path].declaration.options
    values = [o.value for o in options]
    current = found.get(layout.path)
    at = values.index(current) if current in values else -1
    ended_badly = at >= 0 and options[at].color == "bad"
    return [
        Step(
            value=o.value,
            label=o.label(language) or o.value,
            state="cur" if i == at else "done" if i < at and not ended_badly else "",
            tone=o.color if i == at and o.color in ("bad", "ok") else "",
        )
        for i, o in enumerate(options)
    ]


def _related(workspace: Workspace, object: str, id: int, relation: RelationType) -> dict[str, Any]:
    reader, visit = reader_of(workspace), this_visit(workspace)
    source = reader.catalog.object(relation.source)
    names = relation.columns or tuple(f.name for f in list_fields(source, None))
    fields = [source.fields[n] for n in names if n != relation.field][:RELATED_COLUMNS]
    query = ListQuery(
        fields=wanted_fields(source, fields), expand=expandable(fields), sort=("-id",), limit=RELATED,
        count="estimate",
    )  # fmt: skip
    page = reader.related(object, id, relation.name, query)
    columns = make_columns(fields, visit.formats, page.rows)
    return {
        "label": relation.label(visit.language) or relation.name,
        "source": source,
        "field": relation.field,
        "columns": columns,
        "body": table_rows(source, columns, page.rows),
        "empty": not page.rows,
        "more": bool(page.next),
        "count": shown_count(page, visit.formats),
    }


# -- history -------------------------------------------------------------------------------------------------


def _history(workspace: Workspace, object_type: ObjectType, reader: Reader, id: int) -> list[dict[str, Any]]:
    entries = reader.history(object_type.name, id, limit=HISTORY).rows
    names = _Names(reader, dict(_users(workspace)))
    return [_history_entry(workspace, object_type, entry, names) for entry in entries]


class _Names:
    """What stands behind the ids in old values, each asked for once."""

    def __init__(self, reader: Reader, users: Mapping[int, str]) -> None:
        self._reader = reader
        self._users = users
        self._found: dict[tuple[str, int], str] = {}

    def expand(self, field: FieldType, value: Any) -> Any:
        """A lookup or user value with its name; other values as they are."""
        if value is None or field.kind.name not in ("lookup", "user"):
            return value
        if field.kind.name == "user":
            return {"id": value, "name": self._users.get(value)}
        key = (field.declaration.target or "", value)
        if key not in self._found:
            self._found[key] = self._name(*key)
        return {"id": value, "name": self._found[key]}

    def _name(self, target: str, id: int) -> str:
        if target not in self._reader.catalog.objects:
            return ""
        name = self._reader.catalog.object(target).name_field
        try:
            return self._reader.get(target, id, fields=("id", name))[name] or ""
        except RecordNotFound:
            return ""  # in the trash, or not for this actor: the number stays


def _history_entry(
    workspace: Workspace, object_type: ObjectType, entry: Mapping[str, Any], names: _Names
) -> dict[str, Any]:
    visit = this_visit(workspace)
    changes = []
    for name, change in entry["changes"].items():
        field = object_type.fields[name]
        if field.declaration.hidden:
            continue
        pair = []
        for side in ("old", "new"):
            value = names.expand(field, change[side])
            column = make_columns([field], visit.formats, [{}])[0]
            pair.append(Markup(cells([value], column)[0]))  # noqa: S704  escaped by the renderer
        changes.append((field.declaration.label(visit.language) or name, *pair))
    return {
        "event": _event(entry["event"]),
        "icon": EVENT_ICONS.get(entry["event"], "point"),
        "created": entry["event"] == "created",
        "actor": (entry["actor"] or {}).get("name") or "Karvan",
        "source": entry["source"],
        "at": Markup(moment_html(entry["at"], visit.formats)),  # noqa: S704  escaped in there
        "changes": changes,
    }


def _event(event: str) -> str:
    events = {
        "created": _("Created"),
        "updated": _("Changed"),
        "deleted": _("Deleted"),
        "restored": _("Restored"),
    }
    return str(events.get(event, event))


# -- forms ---------------------------------------------------------------------------------------------------


def _users(workspace: Workspace) -> list[tuple[int, str]]:
    return [(a.id, a.name) for a in workspace.actors.users() if a.id is not None]


def _from_link(reader: Reader, object_type: ObjectType, given: Mapping[str, str]) -> dict[str, Any]:
    """Values that a link to the form brings: lookups only, by id, such as the record it was opened from."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        field = object_type.fields[name]
        if field.kind.name == "lookup" and text.isdecimal() and field.declaration.target:
            target = reader.catalog.object(field.declaration.target)
            row = reader.get(target.name, int(text), fields=("id", target.name_field))
            found[name] = {"id": row["id"], "name": row[target.name_field]}
    return found


def _posted(
    workspace: Workspace, object_type: ObjectType, *, created: bool
) -> tuple[dict[str, Any], list[FieldError]]:
    return read_form(
        object_type,
        request.form,
        this_visit(workspace).formats,
        lambda target, typed: find_names(workspace, target, typed),
        created=created,
    )


def _stop_if(errors: Sequence[FieldError]) -> None:
    """Undo the transaction around: it ran only so that its findings stand beside the form's own."""
    if errors:
        raise ValidationFailed(errors)


def _with(errors: Sequence[FieldError], refused: KarvanError) -> KarvanError:
    """The refusal with the form's own findings, which go before what the service says of those fields."""
    if not errors or not isinstance(refused, ValidationFailed):
        return refused
    known = {e.field for e in errors}
    return ValidationFailed([*errors, *(e for e in refused.errors if e.field not in known)])


def _version() -> int | None:
    text = request.form.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _changed(values: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs from the record, so that history tells what people did."""

    def plain(value: Any) -> Any:
        return value["id"] if isinstance(value, Mapping) and set(value) == {"id", "name"} else value

    return {name: value for name, value in values.items() if plain(found.get(name)) != value}


def _form_page(
    workspace: Workspace,
    object_type: ObjectType,
    found: Mapping[str, Any],
    refused: KarvanError | None = None,
) -> str:
    visit = this_visit(workspace)
    created = "id" not in found
    errors = by_field(_errors_of(refused))
    inputs = make_inputs(
        object_type,
        found,
        visit.formats,
        created=created,
        users=_users(workspace),
        posted=request.form if refused is not None else None,
        errors=errors,
    )
    layout = _layout(object_type)
    groups = _grouped(object_type, layout, visit.language)
    sections = [
        Section(label=label, entries=tuple(inputs[n] for n in names if n in inputs))
        for label, names in groups
    ]
    name = found.get(object_type.name_field)
    conflict = refused if isinstance(refused, VersionMismatch) else None
    return render_template(
        "edit.html",
        object=object_type,
        record=found,
        created=created,
        title=name or (f"#{found['id']}" if not created else ""),
        sections=[s for s in sections if s.entries],
        problems=_other_problems(object_type, errors, inputs, refused),
        conflict=conflict,
        version=conflict.current if conflict else found.get("version", ""),
    )


def _errors_of(refused: KarvanError | None) -> Sequence[FieldError]:
    return getattr(refused, "errors", ())


def _other_problems(
    object_type: ObjectType,
    errors: Mapping[str, Sequence[str]],
    inputs: Mapping[str, Any],
    refused: KarvanError | None,
) -> list[str]:
    """Messages that belong to no input of the form."""
    others = [text for name, texts in errors.items() if name not in inputs for text in texts]
    if refused is not None and not _errors_of(refused) and not isinstance(refused, VersionMismatch):
        others.append(say(refused))
    return others


def _sum_up(object_type: ObjectType, refused: KarvanError) -> str:
    """All that is wrong in one line, where there is no form to show it in."""
    errors = _errors_of(refused)
    return " ".join(say(e) for e in errors) if errors else say(refused)
