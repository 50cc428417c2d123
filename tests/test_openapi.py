"""The OpenAPI description against the API itself: schemathesis sends what it allows and what it forbids."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema
from werkzeug.serving import WSGIRequestHandler, make_server

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.workspace import Workspace
from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.objects import Object, Rule
from karvan_sdk.text import Text

from .sizes import SCHEMATHESIS_EXAMPLES

CONFIG = Path(__file__).parent.parent / "schemathesis.toml"
RECORDS = 12
"""Records of each object; ids are drawn from them, so that more than "not found" is tested."""

SHIP = Object(
    name="ship",
    label=Text.of("Ship"),
    fields=(
        Field(name="name", type="text", required="always"),
        Field(name="code", type="text", unique=True, max_length=20),
        Field(name="crew", type="integer", minimum=0, maximum=5000),
        Field(name="value", type="currency"),
        Field(name="draught", type="decimal", scale=3),
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
        Field(name="ship", type="lookup", target="c_ship", relation=Relation(name="voyages")),
        Field(name="starts_on", type="date"),
        Field(name="ends_on", type="date"),
    ),
    rules=(
        Rule(
            name="order",
            condition="c_ends_on is empty or c_ends_on >= c_starts_on",
            message=Text.of("A voyage can't end before it starts."),
        ),
    ),
)


def fill(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, SHIP)
    workspace.schema.create_object(admin, VOYAGE)
    with workspace.records.write(admin) as writer:
        for number in range(RECORDS):
            ship = writer.create("c_ship", {"c_name": f"Ship {number}", "c_value": f"{number}.50"})
            writer.create("c_voyage", {"c_ship": ship["id"], "c_starts_on": "2026-03-31"})
        for number in range(1, RECORDS // 4):
            writer.delete("c_voyage", number)


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """The app on loopback, in one thread as a worker has; gives its address."""
    server = make_server("127.0.0.1", 0, app, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Silent(WSGIRequestHandler):
    def log_request(self, *args: object, **kwargs: object) -> None:
        """Thousands of requests are not worth a line each."""


@contextmanager
def open_schema(workspace: Workspace, admin: Actor, examples: int) -> Iterator[BaseSchema]:
    fill(workspace, admin)
    assert admin.id is not None
    headers = {"Authorization": f"Bearer {workspace.actors.create_token(admin.id, 'schemathesis')}"}
    config = schemathesis.Config.from_path(str(CONFIG))
    config.projects.default.headers = headers
    config.projects.default.generation.update(max_examples=examples)
    with serve(create_app(workspace=workspace)) as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json", config=config, headers=headers)

        @schema.hook
        def map_path_parameters(context: Any, path_parameters: Any) -> Any:
            if path_parameters and isinstance(path_parameters.get("id"), int):
                path_parameters["id"] = path_parameters["id"] % RECORDS + 1
            return path_parameters

        yield schema


def faults_of(schema: BaseSchema) -> list[str]:
    """What schemathesis finds: examples, edge cases, random cases and sequences of calls."""
    found: dict[str, str] = {}
    requests = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            found[f"{event.label} {event.value}"] = f"{event.label}: {event.value!r}"
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.interactions)
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.failure_info is None:
                        continue
                    failure = check.failure_info.failure
                    case = event.recorder.cases[case_id].value
                    text = f"{case.as_curl_command()}\n{failure.title}: {failure.message}"
                    answer = event.recorder.interactions[case_id].response
                    if answer is not None:
                        text += f"\n{answer.status_code} {answer.text[:600]}"
                    found.setdefault(f"{case.operation.label} {check.name} {failure.title}", text)
    assert requests > 200, "schemathesis sent next to nothing"
    return list(found.values())


def test_schemathesis_finds_no_fault(workspace: Workspace, admin: Actor) -> None:
    with open_schema(workspace, admin, SCHEMATHESIS_EXAMPLES) as schema:
        faults = faults_of(schema)
    assert not faults, "\n\n".join(faults)


@pytest.mark.slow
def test_schemathesis_finds_no_fault_in_a_long_run(workspace: Workspace, admin: Actor) -> None:
    with open_schema(workspace, admin, SCHEMATHESIS_EXAMPLES * 12) as schema:
        faults = faults_of(schema)
    assert not faults, "\n\n".join(faults)
