"""Declarations of objects with their indexes, views and layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from karvan_sdk.fields import Field
from karvan_sdk.text import Text


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index over fields of one object, for a filter and a sort that are used together.

    `fields` are in order: first those compared for equality, last the one sorted by. The record id and
    the owner are always added behind them.
    """

    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved list: which records (`filter`, an expression), which columns, in which order.

    `sort` holds field names, with `-` in front for descending.
    """

    name: str
    label: Text = Text()
    filter: str = ""
    columns: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    kind: Literal["list"] = "list"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled group of fields on the record and edit pages."""

    label: Text = Text()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The order in which the record page shows fields. Fields not named follow at the end.

    `path` names the select field drawn as a path of stages across the top, or is empty.
    """

    name: str = "record"
    sections: tuple[Section, ...] = ()
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A validation rule: the record is refused with `message` unless `condition`, an expression, is true."""

    name: str
    condition: str
    message: Text
    field: str = ""


@dataclass(frozen=True, kw_only=True)
class Object:
    """A kind of record.

    `name_field` names the text field that stands for the record wherever one line is shown.
    `name_template` composes a missing name from other fields (`"{account} – {opened_on}"`); parts that are
    empty vanish together with the separator before them. `in_navigation` is false for objects that people
    reach from others only; their pages are there all the same.
    """

    name: str
    label: Text = Text()
    label_plural: Text = Text()
    icon: str = "box"
    name_field: str = "name"
    name_template: str = ""
    fields: tuple[Field, ...] = ()
    indexes: tuple[Index, ...] = ()
    views: tuple[View, ...] = ()
    layouts: tuple[Layout, ...] = ()
    rules: tuple[Rule, ...] = ()
    synonyms: tuple[str, ...] = ()
    in_navigation: bool = True

    def field(self, name: str) -> Field | None:
        """The field with this name, or None."""
        return next((f for f in self.fields if f.name == name), None)
