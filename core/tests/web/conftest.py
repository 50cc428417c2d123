"""A small harbour seen through the pages: ships, voyages, and a visitor who reads what a browser would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.testing import ADMIN_EMAIL, ADMIN_PASSWORD
from karvan.web import setup
from karvan.workspace import Workspace
from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.objects import Object
from karvan_sdk.text import Text

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def ship() -> Object:
    return Object(
        name="ship",
        label=Text.of({"en": "Ship", "ru": "Судно", "fa": "کشتی", "zh": "船"}),
        label_plural=Text.of({"en": "Ships", "ru": "Суда", "fa": "کشتی‌ها", "zh": "船舶"}),
        fields=(
            Field(name="name", type="text", label=Text.of("Name"), required="always"),
            Field(name="code", type="text", unique=True),
            Field(name="crew", type="integer", minimum=0, maximum=50_000),
            Field(name="value", type="currency"),
            Field(name="draught", type="decimal", scale=3),
            Field(name="load", type="percent", scale=1),
            Field(
                name="kind",
                type="select",
                options=(Option(value="tanker", label=Text.of("Tanker"), color="ok"), Option(value="ferry")),
            ),
            Field(name="launched", type="date"),
            Field(name="seen_at", type="datetime"),
            Field(name="active", type="boolean"),
            Field(name="notes", type="long_text"),
            Field(name="mail", type="email"),
            Field(name="radio", type="phone"),
            Field(name="site", type="url"),
            Field(name="extra", type="json"),
        ),
    )


def voyage() -> Object:
    return Object(
        name="voyage",
        label=Text.of("Voyage"),
        label_plural=Text.of("Voyages"),
        fields=(
            Field(name="name", type="text"),
            Field(
                name="ship",
                type="lookup",
                target="c_ship",
                label=Text.of("Ship"),
                relation=Relation(name="voyages", label=Text.of("Voyages")),
            ),
        ),
    )


@dataclass
class Visitor:
    """A browser without scripts: follows links, keeps cookies, sends the token that stood in the page."""

    client: FlaskClient
    token: str = ""

    def get(self, address: str, **options: Any) -> TestResponse:
        return self._keep(self.client.get(address, **options))

    def post(self, address: str, values: Mapping[str, Any] | None = None, **options: Any) -> TestResponse:
        form = {"csrf_token": self.token, **(values or {})}
        return self._keep(self.client.post(address, data=form, **options))

    def sign_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> TestResponse:
        self.get("/login")
        return self.post("/login", {"email": email, "password": password})

    def _keep(self, answer: TestResponse) -> TestResponse:
        found = TOKEN.search(answer.text) if answer.mimetype == "text/html" else None
        if found:
            self.token = found[1]
        return answer


@pytest.fixture
def harbour(workspace: Workspace, admin: Actor) -> Workspace:
    workspace.schema.create_object(admin, ship())
    workspace.schema.create_object(admin, voyage())
    return workspace


@pytest.fixture
def stranger(harbour: Workspace) -> Visitor:
    app = create_app(workspace=harbour)
    if "web" not in app.blueprints:
        setup(app, harbour)
    return Visitor(app.test_client())


@pytest.fixture
def visitor(stranger: Visitor) -> Visitor:
    stranger.sign_in()
    stranger.get("/c_ship/new")
    return stranger


def make_ship(harbour: Workspace, **values: Any) -> int:
    """The id of a new ship; field names without the prefix of an administrator's fields."""
    actor = harbour.actors.by_email(ADMIN_EMAIL)
    assert actor is not None
    given = {"name": "Aurora", **values}
    with harbour.records.write(actor) as writer:
        made: int = writer.create("c_ship", {f"c_{name}": value for name, value in given.items()})["id"]
    return made
