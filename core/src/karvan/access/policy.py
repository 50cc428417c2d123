"""What an actor may see and do: the one predicate of records, the one way from a name to a field.

For now an administrator (and the system) sees and does all, everybody else nothing; the shape is the one
that roles, scopes and shares will fill.
"""

from __future__ import annotations

from typing import Any

from karvan.access.actors import Actor
from karvan.metadata.catalog import FieldType, ObjectType
from karvan.metadata.fragments import Fragment
from karvan_sdk.errors import NotAllowed, UnknownField

NOTHING = Fragment(text="1 = 0")


def record_predicate(actor: Actor, object_type: ObjectType, action: str, alias: str) -> Fragment | None:
    """The condition on the rows of `alias` that this actor may touch with `action`; None: all of them."""
    return None if actor.is_admin else NOTHING


def reach(actor: Actor) -> tuple[Any, ...]:
    """What of an actor shapes a plan: actors of the same reach share plans."""
    return ("all", actor.language) if actor.is_admin else ("own", actor.id, actor.perm_version)


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
