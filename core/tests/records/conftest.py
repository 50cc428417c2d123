"""A small fleet for the record tests: ships and the voyages that they make."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.workspace import Workspace
from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.objects import Object, Rule
from karvan_sdk.text import Text


def ship() -> Object:
    return Object(
        name="ship",
        label=Text.of({"en": "Ship", "ru": "Судно"}),
        fields=(
            Field(name="name", type="text", required="always"),
            Field(name="code", type="text", unique=True),
            Field(name="crew", type="integer", minimum=0, maximum=5000),
            Field(name="value", type="currency"),
            Field(name="draught", type="decimal", scale=3),
            Field(name="kind", type="select", options=(Option(value="tanker"), Option(value="ferry"))),
            Field(name="launched", type="date"),
            Field(name="seen_at", type="datetime"),
            Field(name="active", type="boolean"),
            Field(name="notes", type="long_text"),
            Field(name="extra", type="json"),
        ),
    )


def voyage() -> Object:
    return Object(
        name="voyage",
        label=Text.of("Voyage"),
        name_template="{c_ship} – {c_starts_on}",
        fields=(
            Field(name="name", type="text"),
            Field(
                name="ship",
                type="lookup",
                target="c_ship",
                on_delete="cascade",
                relation=Relation(name="voyages"),
            ),
            Field(name="starts_on", type="date"),
            Field(name="ends_on", type="date"),
        ),
        rules=(
            Rule(
                name="order",
                condition="c_ends_on is empty or c_ends_on >= c_starts_on",
                message=Text.of({"en": "A voyage can't end before it starts."}),
                field="c_ends_on",
            ),
        ),
    )


@pytest.fixture
def fleet(workspace: Workspace, admin: Actor) -> Workspace:
    workspace.schema.create_object(admin, ship())
    workspace.schema.create_object(admin, voyage())
    return workspace


def add_ship(workspace: Workspace, actor: Actor, **values: Any) -> dict[str, Any]:
    with workspace.records.write(actor) as writer:
        return writer.create("c_ship", {"c_name": "Aurora", **values})
