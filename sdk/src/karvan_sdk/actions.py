"""Values that hooks and services hand to each other about records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Change:
    """One record about to be created, updated, deleted or restored.

    `before` holds all stored values (empty for a new record), `values` only those to be written. Values
    are Python values: str, int, bool, Decimal, date, aware datetime (UTC), the id of a looked-up record,
    None for empty.
    """

    id: int | None = None
    before: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str) -> Any:
        """The value as it will stand after the change; None when empty."""
        return self.values[name] if name in self.values else self.before.get(name)

    def changed(self, name: str) -> bool:
        """Whether this change gives `name` another value than it had."""
        return name in self.values and self.values[name] != self.before.get(name)

    def with_values(self, **values: Any) -> Change:
        """The same change with further or other values."""
        return replace(self, values={**self.values, **values})


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened to a record and was committed.

    `id` is stable: whoever is told twice can know it. `event` is create, update, delete or restore;
    `changes` maps field names to (old, new) in the JSON form of the API: the audited fields of an update, the
    filled lookups of a record that was deleted.
    `source` says where the change came from: api, web, import, `plugin:<id>`.
    """

    id: int
    event: str
    object: str
    record_id: int
    at: datetime
    actor_id: int | None = None
    source: str = ""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class RecordRef:
    """One record: the API name of its object, and its id."""

    object: str
    id: int


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One page of a list: records in JSON form, and the cursor of the next page or None."""

    rows: Sequence[Mapping[str, Any]]
    next: str | None = None


@dataclass(frozen=True)
class DemoRef:
    """Stands in a demo record for the id of another demo record: the `number`-th (from 0) of `object`."""

    object: str
    number: int


@dataclass(frozen=True, kw_only=True)
class DemoRecords:
    """Demo records of one object, in the JSON form of the API; lookups may hold a `DemoRef`."""

    object: str
    records: Sequence[Mapping[str, Any]]
