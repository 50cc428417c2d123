"""What an expression may read and what its parts are: types, fields, scopes, environments, contexts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

DIGITS_MAX = 26
SCALE_MAX = 12


class Type(NamedTuple):
    """The type of a part. Numbers and money have `digits` before the point and `scale` after it."""

    kind: str
    digits: int = 0
    scale: int = 0
    options: tuple[str, ...] = ()
    target: str = ""


TEXT, BOOL, DATE, DATETIME = Type("text"), Type("bool"), Type("date"), Type("datetime")
DURATION, MONTHS, USER, EMPTY = Type("duration"), Type("months"), Type("user"), Type("empty")
INTEGER = Type("number", 16, 0)
COUNT = Type("number", 10, 0)

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "text": "a text", "number": "a number", "money": "an amount", "bool": "yes or no", "date": "a date",
        "datetime": "a moment", "duration": "a duration", "months": "a number of months",
        "choice": "a choice", "record": "a record", "user": "a user", "empty": "empty", "list": "a list",
        "range": "a range", "period": "a period",
    }
)  # fmt: skip
"""How messages name each kind of type."""

FIELD_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "text": "text", "long_text": "text", "email": "text", "phone": "text", "url": "text",
        "currency_code": "text", "integer": "integer", "decimal": "decimal", "percent": "decimal",
        "currency": "money", "money": "money", "number": "decimal", "boolean": "bool", "bool": "bool",
        "date": "date",
        "datetime": "datetime", "select": "choice", "choice": "choice", "lookup": "record", "id": "record",
        "record": "record", "user": "user",
    }
)  # fmt: skip
"""Field type (as declared) to its type here; a type that is missing (json) can't be used in expressions."""


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """One field as expressions see it.

    `path` are API names, `uid` the matching uids; `type` is a key of `FIELD_TYPES`; `options` the stored
    values of a choice, `target` the object of a record.
    """

    path: tuple[str, ...]
    uid: tuple[str, ...] = ()
    type: str
    scale: int | None = None
    options: tuple[str, ...] = ()
    target: str = ""


class Scope(Protocol):
    """What names mean. Only what the viewer may see exists here."""

    def field(self, path: tuple[str, ...]) -> FieldInfo | None:
        """The field of a path, or None: unknown and forbidden are one answer."""

    def names(self) -> Iterable[str]:
        """Names to suggest: only those that the viewer may see."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The moment and the person of an evaluation; it never changes during a request.

    `week_start` is 0 for Monday. `before` are the values before the change; None: the record is new.
    """

    now: datetime
    timezone: str = "UTC"
    actor_id: int | None = None
    week_start: int = 0
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a place allows: `before` old() and changed(), `live` the clock, `actor` me(), `steps` of paths."""

    name: str
    before: bool = False
    live: bool = True
    actor: bool = True
    steps: int = 3


ANY = Context(name="any", before=True)
FILTER = Context(name="filter")
RULE = Context(name="rule", before=True, actor=False, steps=2)
"""A rule holds for all people alike, and reads fields of the record and of what it points to."""
RESTRICTION = Context(name="restriction", live=False, steps=1)
"""A restriction holds for each person apart, and reads fields of the record itself."""
FORMULA = Context(name="formula", actor=False)
SHARING = Context(name="sharing", live=False, actor=False, steps=1)
LAYOUT = Context(name="layout", live=False, steps=2)


def field_type(info: FieldInfo) -> Type | None:
    """The type of a field, or None where it can't be used."""
    kind = FIELD_TYPES.get(info.type)
    if kind is None:
        return None
    if kind == "integer":
        return INTEGER
    if kind in ("decimal", "money"):
        scale = 2 if info.scale is None else info.scale
        return Type("money" if kind == "money" else "number", 18 - scale, scale)
    if kind == "choice":
        return Type("choice", options=info.options)
    if kind == "record":
        return Type("record", target=info.target)
    return Type(kind)
