"""JSON Schemas of the sdk's declarations, read off their dataclasses: what the sdk's reader accepts."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from karvan_sdk.fields import FIELD_TYPES, Field, Option, Relation
from karvan_sdk.objects import Index, Layout, Object, Rule, Section, View
from karvan_sdk.text import Text

DECLARATIONS: Mapping[str, type] = {
    "option": Option,
    "relation": Relation,
    "field": Field,
    "index": Index,
    "view": View,
    "section": Section,
    "layout": Layout,
    "rule": Rule,
    "object": Object,
}
PREFIX = "meta."
_NAMES = {cls: name for name, cls in DECLARATIONS.items()}
_SPECIAL: Mapping[tuple[type, str], dict[str, Any]] = {
    (Field, "type"): {"enum": list(FIELD_TYPES)},
    (Field, "required"): {"anyOf": [{"type": "boolean"}, {"enum": ["never", "always", "on_create"]}]},
}
_TEXT = {
    "description": "A text, or a text per language.",
    "anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}],
}


def declaration_schemas() -> dict[str, dict[str, Any]]:
    """The schemas by component name: `meta.field`, and `meta.field.patch` where every key may be left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, cls in DECLARATIONS.items():
        found[PREFIX + name] = _schema(cls)
    for name in ("field", "object"):
        whole = _schema(DECLARATIONS[name])
        found[f"{PREFIX}{name}.patch"] = {k: v for k, v in whole.items() if k != "required"}
    return found


def _schema(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for spec in fields(cls):
        needed = spec.default is MISSING and spec.default_factory is MISSING
        schema = _SPECIAL.get((cls, spec.name)) or _of(hints[spec.name])
        properties[spec.name] = schema if needed else _or_null(schema)
        if needed:
            required.append(spec.name)
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        found["required"] = required
    return found


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return schema if schema == {} else {"anyOf": [schema, {"type": "null"}]}


def _of(hint: Any) -> dict[str, Any]:
    if hint is Text:
        return _TEXT
    if hint in (str, int, bool):
        return {"type": {str: "string", int: "integer", bool: "boolean"}[hint]}
    if is_dataclass(hint):
        reference = {"$ref": f"#/components/schemas/{PREFIX}{_NAMES[hint]}"}  # type: ignore[index]
        # the short form of an option is its stored value alone
        return {"anyOf": [{"type": "string"}, reference]} if hint is Option else reference
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        kept = [_of(a) for a in arguments if a is not type(None)]
        return kept[0] if len(kept) == 1 else {"anyOf": kept}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    return {}
