"""A small fleet over HTTP: two objects with every kind of field, and a client that is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from karvan.access.actors import Actor
from karvan.workspace import Workspace
from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.objects import Object, Rule
from karvan_sdk.text import Text

SHIP = Object(
    name="ship",
    label=Text.of({"en": "Ship", "ru": "Судно"}),
    fields=(
        Field(name="name", type="text", required="always"),
        Field(name="code", type="text", unique=True, max_length=20),
        Field(name="crew", type="integer", minimum=0, maximum=5000),
        Field(name="value", type="currency"),
        Field(name="draught", type="decimal", scale=3),
        Field(name="load", type="percent", scale=1),
        Field(name="kind", type="select", options=(Option(value="tanker"), Option(value="ferry"))),
        Field(name="launched", type="date"),
        Field(name="seen_at", type="datetime"),
        Field(name="active", type="boolean", default=True),
        Field(name="mail", type="email"),
        Field(name="phone", type="phone"),
        Field(name="site", type="url"),
        Field(name="notes", type="long_text"),
        Field(name="extra", type="json"),
        Field(name="captain", type="user"),
        Field(name="flag", type="text", read_only_after_create=True),
    ),
)
VOYAGE = Object(
    name="voyage",
    label=Text.of("Voyage"),
    name_template="{c_ship} – {c_starts_on}",
    fields=(
        Field(name="name", type="text"),
        Field(
            name="ship",
            type="lookup",
            target="c_ship",
            on_delete="restrict",
            relation=Relation(name="voyages"),
        ),
        Field(name="starts_on", type="date"),
        Field(name="ends_on", type="date"),
    ),
    rules=(
        Rule(
            name="order",
            condition="c_ends_on is empty or c_ends_on >= c_starts_on",
            message=Text.of("A voyage can't end before it starts."),
            field="c_ends_on",
        ),
    ),
)
http_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For what never reaches the database: one engine is enough."""
SHIPS = "/api/v1/records/c_ship"
VOYAGES = "/api/v1/records/c_voyage"


def make_fleet(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, SHIP)
    workspace.schema.create_object(admin, VOYAGE)


@dataclass(frozen=True, kw_only=True)
class Api:
    """A client with a bearer token, and short words for what the tests do."""

    http: FlaskClient
    token: str

    def send(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.http.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.send("POST", path, **({"json": body} if body is not None else {}), **more)

    def patch(self, path: str, body: Any, **more: Any) -> TestResponse:
        return self.send("PATCH", path, json=body, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        return self.send("DELETE", path, **more)

    def post_ship(self, **values: Any) -> TestResponse:
        made = self.post(SHIPS, {"c_name": "Aurora", **values})
        assert made.status_code == 201, made.text
        return made


def assert_problem(
    response: TestResponse, status: int, code: str, *, fields: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The one error body: the same keys whatever the origin, and a finding for each of `fields`."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.get_json(force=True)
    assert {"type", "title", "status", "code", "detail", "errors"} <= set(body)
    assert body["status"] == status
    assert body["code"] == code, body
    assert body["type"] == f"/docs/errors#{code}"
    assert body["title"]
    assert body["detail"]
    for finding in body["errors"]:
        assert {"field", "code", "message"} <= set(finding) <= {"field", "code", "message", "index"}
    assert sorted({f["field"] for f in body["errors"]}) == sorted(fields), body["errors"]
    return body
