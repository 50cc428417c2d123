"""The bodies that are not records, as marshmallow schemas: aggregates, bulk calls, parts of the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from marshmallow import RAISE, Schema, ValidationError, validate
from marshmallow import fields as ma

from karvan.metadata.schemas import Finding
from karvan.records.shapes import MeasureFn
from karvan_sdk import declarations
from karvan_sdk.errors import FieldError
from karvan_sdk.errors import ValidationFailed as Failed
from karvan_sdk.fields import Field, Option

BULK_MAX = 10_000
GROUPS_MAX = 5
MEASURES_MAX = 20
PARTS_MAX = 500


class Flag(ma.Field[bool]):
    """true or false and nothing that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValidationError([Finding.of("wrong_type", "true or false is needed here.")])


class Id(ma.Field[int]):
    """A record id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            value = int(value)  # JSON has one number type: 1.0 is 1
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
            return value
        raise ValidationError([Finding.of("wrong_type", "A positive whole number is needed here.")])


class Record(ma.Field[dict[str, Any]]):
    """A record's values; what is in them is checked by the record service."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        raise ValidationError([Finding.of("wrong_type", "A JSON object is needed here.")])


class Declared(ma.Field[Any]):
    """A declaration of the sdk, read by the sdk's own reader."""

    def __init__(self, read: Callable[[Any], Any], **more: Any) -> None:
        self.read = read
        super().__init__(**more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.read(value)
        except Failed as exc:
            raise ValidationError(_nested(exc.errors)) from exc


def _nested(errors: tuple[FieldError, ...]) -> Any:
    """Findings as marshmallow's messages: the field's own path stays below the place it stands at."""
    found: dict[str, list[Finding]] = {}
    for e in errors:
        found.setdefault(e.field or "_schema", []).append(Finding.of(e.code, e.template, e.params))
    return found


class _Body(Schema):
    class Meta:
        unknown = RAISE


class MeasureBody(_Body):
    """One figure per group."""

    fn = ma.String(required=True, validate=validate.OneOf(get_args(MeasureFn)))
    field = ma.String(load_default=None, allow_none=True)


class AggregateBody(_Body):
    """Figures over records, per group."""

    group = ma.List(ma.String(), load_default=list, validate=validate.Length(max=GROUPS_MAX))
    measures = ma.List(
        ma.Nested(MeasureBody),
        load_default=lambda: [{"fn": "count", "field": None}],
        validate=validate.Length(min=1, max=MEASURES_MAX),
    )
    filter = ma.String(load_default="")
    tz = ma.String(load_default=None, allow_none=True)


class BulkBody(_Body):
    """Many changes of one kind."""

    action = ma.String(required=True, validate=validate.OneOf(("create", "update", "delete")))
    records = ma.List(Record(), validate=validate.Length(min=1, max=BULK_MAX))
    ids = ma.List(Id(), validate=validate.Length(min=1, max=BULK_MAX))
    any_part = Flag(load_default=True, data_key="partial")  # marshmallow has its own `partial`

    def load(self, data: Any, **kwargs: Any) -> Any:
        """Load, and hold that `records` or `ids` is there as the action needs it."""
        loaded: dict[str, Any] = super().load(data, **kwargs)
        wanted, other = ("ids", "records") if loaded["action"] == "delete" else ("records", "ids")
        messages: dict[str, list[Finding]] = {}
        if wanted not in loaded:
            messages[wanted] = [Finding.of("required", "This key is required for {action}.", loaded)]
        if other in loaded:
            messages[other] = [Finding.of("unknown_key", "This key has no place in {action}.", loaded)]
        if messages:
            raise ValidationError(messages)
        return loaded


def _load_option(value: Any) -> Option:
    made: Field = declarations.load_field({"name": "x", "type": "select", "options": [value]})
    return made.options[0]


def _option(value: Any) -> Option:
    try:
        return _load_option(value)
    except Failed as exc:
        raise Failed(
            FieldError(
                field=e.field.removeprefix("options[0]").removeprefix("."),
                code=e.code, template=e.template, params=e.params,
            )
            for e in exc.errors
        ) from exc  # fmt: skip


class FieldsBody(_Body):
    """Several new fields at once."""

    made = ma.List(
        Declared(declarations.load_field),
        required=True,
        validate=validate.Length(min=1, max=PARTS_MAX),
        data_key="fields",
    )


class OptionsBody(_Body):
    """Several new options of a select field."""

    options = ma.List(Declared(_option), required=True, validate=validate.Length(min=1, max=PARTS_MAX))


class WidgetChoiceBody(_Body):
    """What a person chooses about a widget (`enabled` null takes it back), or the order of a slot."""

    slot = ma.String(required=True)
    widget = ma.String(load_default="")
    enabled = Flag(load_default=None, allow_none=True)
    order = ma.List(ma.String(), load_default=list, validate=validate.Length(max=PARTS_MAX))


AGGREGATE = AggregateBody()
WIDGET_CHOICE = WidgetChoiceBody()
BULK = BulkBody()
OPTIONS = OptionsBody()
FIELDS = FieldsBody()
