"""Forms of records: one input per field, from a record to what stands in the input, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from karvan.metadata.catalog import FieldType, ObjectType
from karvan.web.formats import Formats, to_ascii
from karvan_sdk.errors import FieldError

Found = Sequence[tuple[int, str]]
"""Records that a typed name may mean: id and name; two are enough to know that it is not clear."""

WIDE = frozenset({"long_text", "json"})
_AS_NUMBER = frozenset({"decimal", "currency", "percent"})


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input as the page shows it. `value` is the text in it; a `lookup` keeps its id beside the name."""

    name: str
    label: str
    help: str
    kind: str
    value: str
    required: bool
    errors: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    target: str = ""
    id: str = ""
    currency: str = ""
    wide: bool = False


def editable(object_type: ObjectType, *, created: bool) -> list[FieldType]:
    """The fields that a form offers, in the order of the layout."""
    return [
        f
        for f in (*object_type.own_fields.values(), object_type.fields["owner"])
        if not f.companion
        and not f.declaration.read_only
        and not f.declaration.hidden
        and (created or not f.declaration.read_only_after_create)
    ]


def first_values(object_type: ObjectType, owner: int | None) -> dict[str, Any]:
    """What a new record begins with: the defaults, and the one who makes it as its owner."""
    found = {f.name: f.declaration.default for f in editable(object_type, created=True)}
    return {**found, "owner": owner}


def make_inputs(
    object_type: ObjectType,
    record: Mapping[str, Any],
    formats: Formats,
    *,
    created: bool,
    users: Sequence[tuple[int, str]],
    posted: Mapping[str, str] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Input]:
    """The inputs by field name. What was posted goes before what the record holds."""
    return {
        f.name: _input(f, record, formats, created, users, posted, (errors or {}).get(f.name, ()))
        for f in editable(object_type, created=created)
    }


def _input(
    field: FieldType,
    record: Mapping[str, Any],
    formats: Formats,
    created: bool,
    users: Sequence[tuple[int, str]],
    posted: Mapping[str, str] | None,
    errors: Sequence[str],
) -> Input:
    name, kind, declared = field.name, field.kind.name, field.declaration
    value = record.get(name)
    options: tuple[tuple[str, str], ...] = ()
    if kind == "select":
        options = tuple((o.value, o.label(formats.language) or o.value) for o in declared.options)
    elif kind == "user":
        options = tuple((str(id_), shown) for id_, shown in users)
    text = shown_text(field, value, formats)
    id_ = str(id_of(value) or "") if kind == "lookup" else ""
    currency = str(record.get(f"{name}_currency") or "")
    if posted is not None:
        text = posted.get(name, "")
        id_ = posted.get(f"{name}__id", "")
        currency = posted.get(f"{name}_currency", "")
    return Input(
        name=name,
        label=declared.label(formats.language) or name,
        help=declared.help(formats.language),
        kind=kind,
        value=text,
        required=declared.required == "always" or (created and declared.required == "on_create"),
        errors=tuple(errors),
        options=options,
        target=declared.target or "",
        id=id_,
        currency=currency,
        wide=kind in WIDE,
    )


def id_of(value: Any) -> int | None:
    """The id in a lookup value, expanded or not."""
    found: int | None = value["id"] if isinstance(value, Mapping) else value
    return found


def shown_text(field: FieldType, value: Any, formats: Formats) -> str:
    """What stands in the input of a value in JSON form."""
    kind = field.kind.name
    if value is None:
        return ""
    if kind == "lookup":
        return str(value.get("name") or f"#{value['id']}") if isinstance(value, Mapping) else f"#{value}"
    if kind == "user":
        return str(id_of(value))
    if kind == "boolean":
        return "1" if value else ""
    if kind in _AS_NUMBER or kind == "integer":
        return formats.plain_number(str(value))
    if kind == "date":
        return formats.plain_day(date.fromisoformat(value))
    if kind == "datetime":
        return formats.plain_moment(datetime.fromisoformat(value))
    if kind == "json":
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return str(value)


def read_form(
    object_type: ObjectType,
    posted: Mapping[str, str],
    formats: Formats,
    find: Callable[[str, str], Found],
    *,
    created: bool,
) -> tuple[dict[str, Any], list[FieldError]]:
    """The values of a posted form in JSON form, and what the form alone can tell is wrong.

    Everything else is the record service's to judge: what is no number stays the text it is.
    """
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in editable(object_type, created=created):
        if field.name not in posted and f"{field.name}__there" not in posted:
            continue
        try:
            values[field.name] = _read_one(field, posted, formats, find)
        except _Unclear as exc:
            errors.append(
                FieldError(field=field.name, code=exc.code, template=exc.template, params=exc.params)
            )
        if field.kind.name == "currency" and f"{field.name}_currency" in posted:
            code = posted[f"{field.name}_currency"].strip().upper()
            values[f"{field.name}_currency"] = code or None
    return values, errors


class _Unclear(Exception):
    def __init__(self, code: str, template: str, **params: Any) -> None:
        self.code = code
        self.template = template
        self.params = params
        super().__init__(template)


def _read_one(
    field: FieldType, posted: Mapping[str, str], formats: Formats, find: Callable[[str, str], Found]
) -> Any:
    kind, given = field.kind.name, posted.get(field.name, "")
    if kind == "boolean":
        return bool(given)
    if not given.strip():
        return None
    if kind == "integer":
        return _whole(formats.read_number(given))
    if kind in _AS_NUMBER:
        return formats.read_number(given)
    if kind == "date":
        return formats.read_day(given)
    if kind == "datetime":
        return formats.read_moment(given)
    if kind == "user":
        return _whole(given)
    if kind == "lookup":
        return _looked_up(field, posted, find)
    if kind == "json":
        try:
            return orjson.loads(given)
        except orjson.JSONDecodeError as exc:
            raise _Unclear("wrong_json", "This is no JSON: {reason}", reason=str(exc)) from exc
    if kind == "phone":
        return to_ascii(given).strip()
    return given.replace("\r\n", "\n")


def _whole(text: str) -> int | str:
    """A whole number, or the text as it is: the service says what is wrong with it."""
    try:
        return int(text)
    except ValueError:
        return text


def _looked_up(field: FieldType, posted: Mapping[str, str], find: Callable[[str, str], Found]) -> int:
    """The id behind a typed name: `#12`, the untouched name, or the one record of that name."""
    name = posted[field.name].strip()
    number = to_ascii(name.removeprefix("#"))
    if name.startswith("#") and number.isdecimal():
        return int(number)
    known = posted.get(f"{field.name}__id", "")
    if known.isdecimal() and name == posted.get(f"{field.name}__was", ""):
        return int(known)
    found = find(field.declaration.target or "", name)
    if not found:
        raise _Unclear("not_found", "There is no record named “{name}”.", name=name)
    if len(found) > 1:
        raise _Unclear(
            "not_clear", "Several records are named “{name}”. Write # and the number of the one you mean.",
            name=name,
        )  # fmt: skip
    return found[0][0]
