"""JSON Schemas of fields and records: as they are shown, and as they may be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.kinds import ID_MAX, LONG_TEXT_MAX, TEXT_MAX
from karvan_sdk.values import INTEGER_MAX

Json = dict[str, Any]
_EMPTY: Json = {"enum": [None, ""]}
_NUMBER = r"^\s*-?[0-9]{1,26}(\.[0-9]{1,26})?\s*$"


def shown_schema(field: FieldType) -> Json:
    """What a field looks like in an answer."""
    kind, declared = field.kind.name, field.declaration
    if kind == "json":
        return {}
    schema: Json = dict(field.kind.json_type)
    if kind == "select":
        # an option that was taken away since may still stand in old records
        schema = {"type": "string"}
    elif kind == "email":
        schema = {"type": "string"}
    elif kind == "currency_code":
        schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
    if schema.get("format") == "decimal":
        schema["pattern"] = r"^-?[0-9]+(\.[0-9]+)?$"
    if kind in ("lookup", "user"):
        return {
            **_words(field),
            "anyOf": [schema, {"$ref": "#/components/schemas/reference"}, {"type": "null"}],
        }
    if field.name not in ("id", "version", "created_at", "updated_at"):
        schema["type"] = [schema["type"], "null"]
    if declared.read_only:
        schema["readOnly"] = True
    return {**_words(field), **schema}


def sent_schema(field: FieldType, *, needed: bool) -> Json:
    """What may be sent for a field. Empty text and null both mean "empty", unless a value is needed."""
    schema = _sent(field)
    if not schema:
        return _words(field)
    if needed:
        if schema.get("type") == "string":
            schema.setdefault("minLength", 1)
        return {**_words(field), **schema}
    return {**_words(field), "anyOf": [schema, _EMPTY]}


def _sent(field: FieldType) -> Json:
    kind, declared = field.kind.name, field.declaration
    if kind == "json":
        return {}
    if kind in ("lookup", "user"):
        return {"type": "integer", "minimum": 1, "maximum": ID_MAX}
    if kind == "integer":
        return {
            "type": "integer",
            "minimum": _bound(declared.minimum, -INTEGER_MAX),
            "maximum": _bound(declared.maximum, INTEGER_MAX),
        }
    if field.kind.json_type.get("format") == "decimal":
        number: Json = {"type": "number"}
        if declared.minimum is not None:
            number["minimum"] = float(declared.minimum)
        if declared.maximum is not None:
            number["maximum"] = float(declared.maximum)
        return {"anyOf": [{"type": "string", "pattern": _NUMBER}, number]}
    if kind == "select":
        return {"enum": [o.value for o in declared.options]} if declared.options else {"enum": [None]}
    if kind == "currency_code":
        return {"type": "string", "pattern": r"^\s*[A-Za-z]{3}\s*$"}
    schema = dict(field.kind.json_type)
    if (schema.get("type") == "string" and "format" not in schema) or kind == "email":
        schema["maxLength"] = declared.max_length or (LONG_TEXT_MAX if kind == "long_text" else TEXT_MAX)
        if isinstance(declared.minimum, int):
            schema["minLength"] = max(declared.minimum, 1)
    return schema


def _bound(value: int | str | None, default: int) -> int | float:
    if value is None:
        return default
    number = float(value)
    return int(number) if number.is_integer() else number


def _words(field: FieldType) -> Json:
    found: Json = {}
    label, help_ = str(field.declaration.label), str(field.declaration.help)
    if label:
        found["title"] = label
    if help_:
        found["description"] = help_
    return found


def is_needed(object_type: ObjectType, field: FieldType) -> bool:
    """Whether a body that creates a record must hold the field."""
    declared = field.declaration
    composed = field.name == object_type.name_field and bool(object_type.declaration.name_template)
    filled = declared.default not in (None, "") or composed or declared.read_only
    return declared.required != "never" and not field.system and not filled


def _writable(object_type: ObjectType, *, created: bool) -> Iterable[FieldType]:
    for field in object_type.fields.values():
        declared = field.declaration
        if not declared.read_only and (created or not declared.read_only_after_create):
            yield field


def record_schemas(object_type: ObjectType) -> dict[str, Json]:
    """The schemas of one object by their names: as it is shown, as it is created, as it is changed."""
    name, fields = object_type.name, object_type.fields
    needed = {f.name for f in fields.values() if is_needed(object_type, f)}
    create: Json = {
        "type": "object",
        "properties": {
            f.name: sent_schema(f, needed=f.name in needed) for f in _writable(object_type, created=True)
        },
        "additionalProperties": False,
    }
    if needed:
        create["required"] = sorted(needed)
    always = {f.name for f in object_type.own_fields.values() if f.declaration.required == "always"}
    return {
        name: {
            "type": "object",
            "title": str(object_type.declaration.label) or name,
            "properties": {
                **{f.name: shown_schema(f) for f in fields.values()},
                "deleted_at": {"type": "string", "format": "date-time", "readOnly": True},
                "deleted_by": {"type": ["integer", "null"], "readOnly": True},
            },
            "required": ["id"],
            "additionalProperties": False,
        },
        f"{name}.create": create,
        f"{name}.update": {
            "type": "object",
            "properties": {
                f.name: sent_schema(f, needed=f.name in always) for f in _writable(object_type, created=False)
            },
            "additionalProperties": False,
        },
    }
