"""Marshmallow schemas of JSON bodies, made of the catalog: the readable form of what `checks` does by column.

Both are made of `Kind.load`, so there is one table of field rules; a property test holds the two equal.
Findings come out as FieldErrors with dotted paths (`measures[0].fn`), all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from marshmallow import RAISE, Schema, ValidationError, missing
from marshmallow import fields as ma

from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.metadata.checks import unknown_field
from karvan.metadata.kinds import Wrong
from karvan_sdk.errors import FieldError, ValidationFailed

Purpose = Literal["create", "update"]


class Finding(str):
    """A message of marshmallow that keeps its code, template and gaps."""

    code: str
    template: str
    params: Mapping[str, Any]

    @classmethod
    def of(cls, code: str, template: str, params: Mapping[str, Any] | None = None) -> Finding:
        """A finding with its gaps filled."""
        made = cls(template.format(**(params or {})))
        made.code, made.template, made.params = code, template, params or {}
        return made


class KindField(ma.Field[Any]):
    """A field of a record: the rules of its kind, and whether it may be written at all."""

    def __init__(self, field_type: FieldType, purpose: Purpose) -> None:
        declared = field_type.declaration
        self.field_type = field_type
        self.locked = declared.read_only or (declared.read_only_after_create and purpose == "update")
        needed = ("always", "on_create") if purpose == "create" else ("always",)
        self.needed = declared.required in needed and not field_type.system
        self.default = _default_of(field_type) if purpose == "create" else missing
        self.may_be_absent = purpose == "update" or not self.needed
        super().__init__(allow_none=True)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """The Python value; None and empty text both mean empty."""
        if value is missing:
            if self.default is missing and not self.may_be_absent:
                raise ValidationError([Finding.of("required", "A value is needed here.")])
            return self.default
        if self.locked:
            raise ValidationError([Finding.of("read_only", "This field can't be written.")])
        if value is None or value == "":
            if self.needed:
                raise ValidationError([Finding.of("required", "A value is needed here.")])
            return None
        try:
            return self.field_type.kind.load(self.field_type.declaration, value)
        except Wrong as exc:
            raise ValidationError([Finding.of(exc.code, exc.template, exc.params)]) from exc


def _default_of(field_type: FieldType) -> Any:
    """The Python value of a field's default; `missing` where there is none or it breaks its own rules."""
    declared = field_type.declaration
    if field_type.system or declared.default is None or declared.default == "":
        return missing
    try:
        return field_type.kind.load(declared, declared.default)
    except Wrong:
        return missing


class RecordSchema(Schema):
    """The base of the schemas of records: unknown names are refused, never dropped."""

    class Meta:
        unknown = RAISE


def make_schema(object_type: ObjectType, purpose: Purpose) -> Schema:
    """The schema of the body that creates or changes a record of this object."""
    members = {name: KindField(f, purpose) for name, f in object_type.fields.items()}
    return RecordSchema.from_dict(dict(members), name=f"{object_type.name}_{purpose}")()


class Schemas:
    """The schemas of one workspace, kept per catalog version and object."""

    def __init__(self) -> None:
        self._version = -1
        self._made: dict[tuple[str, Purpose], Schema] = {}

    def of(self, catalog: Catalog, object: str, purpose: Purpose) -> Schema:
        """The schema; raises UnknownObject."""
        if self._version != catalog.version:
            self._version, self._made = catalog.version, {}
        made = self._made
        found = made.get((object, purpose))
        if found is None:
            found = made[(object, purpose)] = make_schema(catalog.object(object), purpose)
        return found


def load_body(schema: Schema, value: Any) -> Any:
    """The loaded body; raises ValidationFailed with every finding and its path."""
    try:
        return schema.load(value)
    except ValidationError as exc:
        raise ValidationFailed(findings(exc.messages)) from exc


def load_record(
    schema: Schema, object: str, value: Mapping[str, Any]
) -> tuple[dict[str, Any], list[FieldError]]:
    """The Python values of a record's body and the findings, in the words of `checks`."""
    try:
        loaded: dict[str, Any] = schema.load(value)
        return loaded, []
    except ValidationError as exc:
        valid = exc.valid_data if isinstance(exc.valid_data, dict) else {}
        errors = [
            unknown_field(e.field, object) if e.code == "unknown_key" else e for e in findings(exc.messages)
        ]
        return dict(valid), errors


_OWN_WORDS = {
    "Missing data for required field.": ("required", "This key is required."),
    "Field may not be null.": ("required", "A value is needed here."),
    "Unknown field.": ("unknown_key", "This key is not known here."),
    "Invalid input type.": ("wrong_type", "A JSON object is needed here."),
    "Not a valid list.": ("wrong_type", "A list is needed here."),
    "Not a valid string.": ("wrong_type", "A text is needed here."),
    "Not a valid mapping type.": ("wrong_type", "A JSON object is needed here."),
}


def findings(messages: Any, at: str = "") -> list[FieldError]:
    """Marshmallow's nested messages as findings with dotted paths."""
    return list(_walk(messages, at))


def _walk(messages: Any, at: str) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            yield from _walk(value, _join(at, key))
    elif isinstance(messages, FieldError):
        yield messages
    elif isinstance(messages, list):
        for one in messages:
            yield from _walk(one, at)
    elif isinstance(messages, Finding):
        yield FieldError(field=at, code=messages.code, template=messages.template, params=messages.params)
    else:
        code, template = _OWN_WORDS.get(messages, ("bad_value", "{message}"))
        yield FieldError(field=at, code=code, template=template, params={"message": messages})


def _join(at: str, key: Any) -> str:
    if key == "_schema":
        return at
    if isinstance(key, int):
        return f"{at}[{key}]"
    return f"{at}.{key}" if at else str(key)
