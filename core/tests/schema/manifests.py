"""Manifests of two plugins whose names begin alike, and of a newer version of the first."""

from __future__ import annotations

from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.manifest import ForeignField, Manifest
from karvan_sdk.objects import Index, Object, View
from karvan_sdk.text import Text

STAGES = (Option(value="new"), Option(value="done"))


def harbour(*more: Field, stages: tuple[Option, ...] = STAGES, name: str = "harbour") -> Manifest:
    """A plugin `harbour` with quays and berths."""
    quay = Object(
        name="quay",
        label=Text.of("Quay"),
        fields=(
            Field(name="name", type="text", required="always"),
            Field(name="code", type="text", unique=True),
            Field(name="length", type="decimal", scale=2),
            Field(name="fee", type="currency"),
            Field(name="stage", type="select", options=stages),
            Field(name="built", type="date", indexed=True),
            *more,
        ),
        indexes=(Index(fields=("stage", "built")),),
        views=(View(name="open", filter='stage = "new"', columns=("name", "stage")),),
    )
    berth = Object(
        name="berth",
        fields=(
            Field(name="name", type="text"),
            Field(name="quay", type="lookup", target="quay", relation=Relation(name="berths")),
        ),
    )
    return Manifest(
        id=name, name=Text.of("Harbour"), summary=Text.of("Quays"), api=">=0", objects=(quay, berth)
    )


def foreign(plugin: str, object: str, *fields: Field) -> Manifest:
    """A plugin that adds fields to somebody else's object."""
    return Manifest(
        id=plugin,
        name=Text.of(plugin),
        summary=Text.of("Adds fields"),
        api=">=0",
        fields=tuple(ForeignField(object=object, field=f) for f in fields),
    )


def project(*fields: Field) -> Object:
    """An administrator's object."""
    return Object(name="project", label=Text.of("Project"), fields=(Field(name="name", type="text"), *fields))
