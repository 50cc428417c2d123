"""What an actor may see and do: the one predicate of records, the one way from a name to a field.

For now an administrator (and the system) sees and does all, everybody else nothing; the shape is the one
that roles, scopes and shares will fill. What plugins ask of records (restrictions) narrows it for everybody
but the system.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from karvan.access.actors import Actor
from karvan.metadata.catalog import Catalog, FieldType, ObjectType, Restriction
from karvan.metadata.expressions import compile_sql
from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Dialect
from karvan_sdk.errors import NotAllowed, UnknownField
from karvan_sdk.expressions import Environment

NOTHING = Fragment(text="1 = 0")
RESTRICTED = ("read", "update", "delete")
"""The actions that plugins may restrict; a restore counts as an update."""


class Asker(Protocol):
    """Who asks, of which catalog, on which engine."""

    @property
    def actor(self) -> Actor: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def dialect(self) -> Dialect: ...


@dataclass(frozen=True, kw_only=True)
class _OwnColumns:
    """The columns of one table, for conditions about the record itself."""

    alias: str
    object_type: ObjectType

    def column(self, path: tuple[str, ...]) -> str:
        return f'{self.alias}."{self.object_type.fields[path[-1]].column}"'

    def key(self, path: tuple[str, ...]) -> str | None:
        found = self.object_type.fields[path[-1]].key_column
        return f'{self.alias}."{found}"' if found else None


def record_predicate(asker: Asker, object_type: ObjectType, action: str, alias: str) -> Fragment | None:
    """The condition on the rows of `alias` that this actor may touch with `action`; None: all of them."""
    actor = asker.actor
    if not actor.is_admin:
        return NOTHING
    if actor.id is None:
        return None
    kind = "update" if action == "restore" else action
    restrictions = asker.catalog.restrictions.get((object_type.name, kind), ())
    return _together(_compiled(asker, object_type, alias, r) for r in restrictions)


def _compiled(asker: Asker, object_type: ObjectType, alias: str, restriction: Restriction) -> Fragment | None:
    """One restriction as SQL. One without a condition closes the object to all but administrators."""
    if restriction.condition is None:
        return None if asker.actor.is_admin else NOTHING
    # a restriction may not ask the clock, so the moment given here is never looked at
    environment = Environment(now=datetime.now(UTC), actor_id=asker.actor.id)
    columns = _OwnColumns(alias=alias, object_type=object_type)
    return compile_sql(restriction.condition, asker.dialect, columns, environment)


def _together(fragments: Iterable[Fragment | None]) -> Fragment | None:
    found = [f for f in fragments if f is not None]
    if not found:
        return None
    text = " AND ".join(f"({f.text})" for f in found)
    return Fragment(text=text, params=tuple(p for f in found for p in f.params))


def reach(asker: Asker) -> tuple[Any, ...]:
    """What of an actor shapes a plan: actors of the same reach share plans."""
    actor = asker.actor
    if not actor.is_admin:
        return ("own", actor.id, actor.perm_version)
    return ("all", actor.language, actor.id if asker.catalog.restrictions else actor.id is None)


def check_may(actor: Actor, object_type: ObjectType, action: str) -> None:
    """Raise NotAllowed unless the actor may do `action` on the object."""
    if not actor.is_admin:
        raise NotAllowed(action=action, object=object_type.name, reason="it needs an administrator.")


def may_see_field(actor: Actor, object_type: ObjectType, name: str) -> bool:
    """Whether the field exists and the actor may read it."""
    return name in object_type.fields


def visible_fields(actor: Actor, object_type: ObjectType) -> list[str]:
    """The names of all fields that the actor may read, in order."""
    return list(object_type.fields)


def resolve(actor: Actor, object_type: ObjectType, name: str) -> FieldType:
    """The field of this name; raises UnknownField, the same for unknown and forbidden ones."""
    found = object_type.fields.get(name)
    if found is None:
        raise UnknownField(name, object_type.name)
    return found
