"""The schema over HTTP: objects, fields and options as they are in force, and an administrator's changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from karvan.api.bodies import FIELDS, OPTIONS
from karvan.api.call import Call
from karvan.api.parameters import refuse_parameters
from karvan.api.problems import FieldNotFound, at_input
from karvan.api.reply import Reply, empty_reply, json_reply
from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.metadata.schemas import load_body
from karvan.schema.edits import (
    AddFields,
    AddOptions,
    CreateObject,
    DetachField,
    DetachObject,
    Edit,
    UpdateField,
    UpdateObject,
)
from karvan_sdk import declarations
from karvan_sdk.errors import BadInput, UnknownField, ValidationFailed

DRY_RUN = ("dry_run",)


# -- showing -----------------------------------------------------------------------------------------------


def list_objects(call: Call) -> Reply:
    """All objects in force."""
    refuse_parameters(call.query)
    return json_reply({"data": [show_object(o) for o in _catalog(call).objects.values()]})


def get_object(call: Call, object: str) -> Reply:
    """One object with its fields and relations."""
    refuse_parameters(call.query)
    return json_reply({"data": show_object(_catalog(call).object(object))})


def list_fields(call: Call, object: str) -> Reply:
    """The fields of an object, system fields included."""
    refuse_parameters(call.query)
    return json_reply({"data": [show_field(f) for f in _catalog(call).object(object).fields.values()]})


def get_field(call: Call, object: str, field: str) -> Reply:
    """One field."""
    refuse_parameters(call.query)
    found = _catalog(call).object(object).fields.get(field)
    if found is None:
        raise FieldNotFound(field, object)
    return json_reply({"data": show_field(found)})


def show_object(object_type: ObjectType) -> dict[str, Any]:
    """An object as the API shows it: its declaration, who owns it, its fields and related lists."""
    shown = {"uid": object_type.uid, "owner": object_type.owner, **declarations.dump(object_type.declaration)}
    return {
        **shown,
        "name_field": object_type.name_field,
        "fields": [show_field(f) for f in object_type.fields.values()],
        "relations": [
            {"name": r.name, "label": r.label.as_dict(), "object": r.source, "field": r.field}
            for r in object_type.relations.values()
        ],
    }


def show_field(field: FieldType) -> dict[str, Any]:
    """A field as the API shows it: its declaration (only what differs from the default) and its owner."""
    return {
        "uid": field.uid,
        "owner": field.owner,
        "system": field.system,
        **declarations.dump(field.declaration),
        "read_only": field.declaration.read_only,
        "required": field.declaration.required,
    }


# -- changing ----------------------------------------------------------------------------------------------


def create_object(call: Call) -> Reply:
    """Make an administrator's object, fields and all."""
    asked = refuse_parameters(call.query, DRY_RUN)
    _, body = call.read_object()
    declared = declarations.load_object(body)
    actor = call.prove_admin("the schema")
    schema = call.workspace.schema

    def act() -> Reply:
        if asked.flags:
            return _plan(call, CreateObject(declaration=declared))
        made = schema.create_object(actor, declared)
        return json_reply(
            {"data": show_object(made)}, 201, [("Location", f"/api/v1/meta/objects/{made.name}")]
        )

    return _changing(act)


def update_object(call: Call, object: str) -> Reply:
    """Change what an administrator may change about an object; null takes a change back."""
    asked = refuse_parameters(call.query, DRY_RUN)
    _, patch = call.read_object()
    actor = call.prove_admin("the schema")

    def act() -> Reply:
        if asked.flags:
            return _plan(call, UpdateObject(object=object, patch=patch))
        return json_reply({"data": show_object(call.workspace.schema.update_object(actor, object, patch))})

    return _changing(act)


def detach_object(call: Call, object: str) -> Reply:
    """Take an administrator's object out of use; its records are kept until a purge."""
    asked = refuse_parameters(call.query, DRY_RUN)
    actor = call.prove_admin("the schema")
    if asked.flags:
        return _plan(call, DetachObject(object=object))
    call.workspace.schema.detach_object(actor, object)
    return empty_reply()


def create_fields(call: Call, object: str) -> Reply:
    """Add one field, or several at once as `{"fields": [...]}`, all or none."""
    asked = refuse_parameters(call.query, DRY_RUN)
    _, body = call.read_object()
    many = "fields" in body
    made = load_body(FIELDS, body)["made"] if many else [declarations.load_field(body)]
    actor = call.prove_admin("the schema")

    def act() -> Reply:
        if asked.flags:
            return _plan(call, AddFields(object=object, fields=tuple(made)))
        found = [show_field(f) for f in call.workspace.schema.add_fields(actor, object, made)]
        return json_reply({"data": found if many else found[0]}, 201)

    return _changing(act)


def update_field(call: Call, object: str, field: str) -> Reply:
    """Change what is not fixed about a field; null takes a change back."""
    asked = refuse_parameters(call.query, DRY_RUN)
    _, patch = call.read_object()
    actor = call.prove_admin("the schema")

    def act() -> Reply:
        if asked.flags:
            return _plan(call, UpdateField(object=object, field=field, patch=patch))
        return json_reply(
            {"data": show_field(call.workspace.schema.update_field(actor, object, field, patch))}
        )

    return _changing(act, field, object)


def detach_field(call: Call, object: str, field: str) -> Reply:
    """Take an administrator's field out of use; its values are kept until a purge."""
    asked = refuse_parameters(call.query, DRY_RUN)
    actor = call.prove_admin("the schema")

    def act() -> Reply:
        if asked.flags:
            return _plan(call, DetachField(object=object, field=field))
        call.workspace.schema.detach_field(actor, object, field)
        return empty_reply()

    return _changing(act, field, object)


def add_options(call: Call, object: str, field: str) -> Reply:
    """Add options to a select field, whoever owns it."""
    asked = refuse_parameters(call.query, DRY_RUN)
    _, body = call.read_object()
    options = tuple(load_body(OPTIONS, body)["options"])
    actor = call.prove_admin("the schema")

    def act() -> Reply:
        if asked.flags:
            return _plan(call, AddOptions(object=object, field=field, options=options))
        made = call.workspace.schema.add_options(actor, object, field, options)
        return json_reply({"data": show_field(made)}, 201)

    return _changing(act, field, object)


# -- parts -------------------------------------------------------------------------------------------------


def _catalog(call: Call) -> Catalog:
    reader = call.workspace.records.read(call.actor)
    reader.prove()
    return reader.catalog


def _plan(call: Call, edit: Edit) -> Reply:
    """What the change would do, step by step; nothing is done."""
    plan = call.workspace.schema.preview(call.actor, edit)
    return json_reply({"data": {"steps": plan.as_json()}})


def _changing(act: Callable[[], Reply], field: str = "", object: str = "") -> Reply:
    """Do a change whose values stand in the body: what is wrong with them is answered as such.

    The field that the path names is not found; any other unknown name stood in the body.
    """
    try:
        return act()
    except UnknownField as exc:
        if field and exc.field == field:
            raise FieldNotFound(field, object) from exc
        raise ValidationFailed(at_input(exc, exc.field)) from exc
    except BadInput as exc:
        raise ValidationFailed(at_input(exc, exc.field)) from exc
