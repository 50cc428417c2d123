"""The rules of an object's fields applied to JSON values: all errors at once, Python values out.

The marshmallow schemas (`karvan.metadata.schemas`) are made of the same `Kind.load`; a property test
holds the two equal. This is the form for hot and bulk paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.kinds import Wrong, python_to_json
from karvan_sdk.errors import FieldError


@dataclass(frozen=True, kw_only=True)
class Check:
    """The check of one object. Make it once per catalog version.

    A value that is None or empty text means "empty". Errors carry the API name of their field.
    """

    object: str
    fields: Mapping[str, FieldType]
    required: tuple[tuple[str, str], ...]
    defaults: Mapping[str, Any]

    def load_new(
        self, values: Mapping[str, Any], *, writer: str = ""
    ) -> tuple[dict[str, Any], list[FieldError]]:
        """The Python values of a record to be created, defaults included; `missing` is asked separately.

        `writer` is who may write his own read-only fields: the owner of the fields (`plugin:<id>`).
        """
        loaded, errors = self._load(values, created=True, writer=writer)
        for name, default in self.defaults.items():
            if name not in values:
                loaded[name] = default
        return loaded, errors

    def load_changes(
        self, values: Mapping[str, Any], *, writer: str = ""
    ) -> tuple[dict[str, Any], list[FieldError]]:
        """The Python values of a change to a stored record; `writer` as in `load_new`."""
        return self._load(values, created=False, writer=writer)

    def missing(self, values: Mapping[str, Any], *, created: bool) -> list[FieldError]:
        """The required fields that would be empty. For a change only those that it empties count."""
        return [
            FieldError(field=name, code="required", template="A value is needed here.")
            for name, when in self.required
            if (created and values.get(name) is None)
            or (not created and when == "always" and name in values and values[name] is None)
        ]

    def recheck(self, values: Mapping[str, Any]) -> list[FieldError]:
        """Findings about Python values that did not come through `load_*` (a plugin's output)."""
        errors: list[FieldError] = []
        for name, value in values.items():
            found = self.fields.get(name)
            if found is None or (found.system and name != "owner"):
                errors.append(unknown_field(name, self.object))
            elif value is not None:
                try:
                    json_value = python_to_json(found.kind, found.declaration, value)
                    if found.kind.load(found.declaration, json_value) != value:
                        raise Wrong("wrong_type", "The value is not in its Python form.")
                except Wrong as exc:
                    errors.append(_error(name, exc))
                except (ArithmeticError, AttributeError, TypeError, ValueError):
                    errors.append(
                        FieldError(
                            field=name, code="wrong_type", template="The value is not in its Python form."
                        )
                    )
        return errors

    def _load(
        self, values: Mapping[str, Any], *, created: bool, writer: str
    ) -> tuple[dict[str, Any], list[FieldError]]:
        loaded: dict[str, Any] = {}
        errors: list[FieldError] = []
        fields = self.fields
        for name, value in values.items():
            found = fields.get(name)
            if found is None:
                errors.append(unknown_field(name, self.object))
                continue
            declared = found.declaration
            locked = declared.read_only or (declared.read_only_after_create and not created)
            if locked and found.owner != writer:
                errors.append(
                    FieldError(field=name, code="read_only", template="This field can't be written.")
                )
                continue
            if value is None or value == "":
                loaded[name] = None
                continue
            try:
                loaded[name] = found.kind.load(declared, value)
            except Wrong as exc:
                errors.append(_error(name, exc))
        return loaded, errors


def make_check(object_type: ObjectType) -> Check:
    """The check of an object; defaults that break their own rules are left out (they are checked on save)."""
    defaults: dict[str, Any] = {}
    for name, found in object_type.own_fields.items():
        default = found.declaration.default
        if default is None or default == "":
            continue
        try:
            defaults[name] = found.kind.load(found.declaration, default)
        except Wrong:
            continue
    return Check(
        object=object_type.name,
        fields=object_type.fields,
        required=tuple(
            (name, f.declaration.required)
            for name, f in object_type.own_fields.items()
            if f.declaration.required != "never"
        ),
        defaults=defaults,
    )


def unknown_field(name: str, object: str) -> FieldError:
    """The finding about a name that is no field, or none that may be seen."""
    return FieldError(
        field=name,
        code="unknown_field",
        template="There is no field '{field}' on '{object}'.",
        params={"field": name, "object": object},
    )


def _error(name: str, wrong: Wrong) -> FieldError:
    return FieldError(field=name, code=wrong.code, template=wrong.template, params=wrong.params)
