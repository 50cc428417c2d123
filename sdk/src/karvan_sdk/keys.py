"""What a key of a declaration is: the tables that the loader reads by, and the JSON Schema is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Schema = Mapping[str, Any]
"""A JSON Schema, draft 2020-12."""
NOTHING: Schema = MappingProxyType({})


@dataclass(frozen=True)
class Reader:
    """How values of one kind are read (value, place, findings), and what JSON Schema says of them."""

    read: Callable[[Any, str, Any], Any]
    schema: Schema

    def __call__(self, value: Any, at: str, findings: Any) -> Any:
        """The value read; what is wrong with it is told to `findings`."""
        return self.read(value, at, findings)


def reads(**schema: Any) -> Callable[[Callable[[Any, str, Any], Any]], Reader]:
    """Make a Reader of a function; `schema` are the words of its JSON Schema."""
    return lambda read: Reader(read, schema)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a table, with one line on what it means.

    `limits` are words of JSON Schema for what is checked beyond the form of the value. `default` is the JSON
    value where the key is left out; None where there is none, or an empty one.
    """

    reader: Reader
    about: str
    limits: Schema = field(default_factory=lambda: NOTHING)
    required: bool = False
    default: Any = None

    def schema(self) -> Schema:
        """The JSON Schema of the key's value."""
        found = {"description": self.about, **self.reader.schema, **self.limits}
        return found if self.default is None else {**found, "default": self.default}


def table(title: str, keys: Mapping[str, Key]) -> Schema:
    """The JSON Schema of a table of these keys and no others; the title makes it a definition."""
    required = [name for name, key in keys.items() if key.required]
    found: dict[str, Any] = {
        "title": title,
        "type": "object",
        "properties": {name: key.schema() for name, key in keys.items()},
        "additionalProperties": False,
    }
    return {**found, "required": required} if required else found
