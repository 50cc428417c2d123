"""Declarations of fields: frozen values that say what a field is, never how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from karvan_sdk.text import Text

FIELD_TYPES = (
    "text", "long_text", "integer", "decimal", "currency", "percent", "boolean", "date", "datetime",
    "select", "email", "phone", "url", "lookup", "user", "json",
)  # fmt: skip
"""The field types that the core brings, by the name used in manifests and in the API."""

OnDelete = Literal["restrict", "set_empty", "cascade"]
Required = Literal["never", "always", "on_create"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One choice of a select field.

    `value` is what is stored and what the API speaks; it never changes. `label` is what people see.
    `color` names a token of the design system (ok, warn, bad, info, violet, mute). `attributes` are free
    for the owner of the field: `{"type": "won", "probability": 100}`.
    """

    value: str
    label: Text = Text()
    color: str = "mute"
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Relation:
    """The inverse side of a lookup: the related list that the target shows.

    `name` is used in `GET …/<id>/related/<name>` and is unique on the target; `columns` are field names
    of the object that holds the lookup.
    """

    name: str
    label: Text = Text()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an object.

    `type` is one of `FIELD_TYPES`. `minimum`, `maximum` bound a number (or the length of a text, with
    `max_length`); `pattern` is a shell-like pattern (`*`, `?`), never a regular expression. `scale` is the
    number of decimals of decimal, currency and percent. `target` is the object a lookup points to and
    `relation` its related list. `default` is a JSON value. A `hidden` field is not shown on pages; filters,
    the API and exports know it. `synonyms` are further header names for import;
    `option_types` maps an option attribute `type` to the words that mean it (`{"won": ("won", "выиграна")}`),
    so that an import can add an unknown option with the right type. `indexed` asks for an index (lookups
    and unique fields always have one).
    """

    name: str
    type: str
    label: Text = Text()
    help: Text = Text()
    required: Required = "never"
    unique: bool = False
    read_only: bool = False
    read_only_after_create: bool = False
    audited: bool = True
    hidden: bool = False
    indexed: bool = False
    default: Any = None
    minimum: int | str | None = None
    maximum: int | str | None = None
    max_length: int | None = None
    pattern: str | None = None
    scale: int | None = None
    options: tuple[Option, ...] = ()
    target: str | None = None
    on_delete: OnDelete = "set_empty"
    relation: Relation | None = None
    synonyms: tuple[str, ...] = ()
    option_types: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def option(self, value: str) -> Option | None:
        """The option with this stored value, or None."""
        return next((o for o in self.options if o.value == value), None)
