"""Fields are added while others work: no request fails, every worker knows a field on its next request."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from karvan.testing import postgresql_database

from .live import Server, serve
from .sizes import LIVE_FIELDS

pytestmark = pytest.mark.slow


class Crowd:
    """Clients that read and write a third object all the time and note what failed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.failed: list[Any] = []
        self.done = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(2)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _work(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            self._one("POST", "/api/v1/records/account", 201, {"name": f"Client {number} {turn}"})
            self._one("GET", "/api/v1/records/account?sort=-created_at&limit=20", 200)
            self._one("GET", "/api/v1/records/c_project?limit=5", 200)

    def _one(self, method: str, path: str, wanted: int, body: Any = None) -> None:
        try:
            answer = self.server.call(method, path, body)
        except OSError as exc:
            self.failed.append((method, path, repr(exc)))
            return
        self.done += 1
        if answer.status != wanted:
            self.failed.append((method, path, answer.status, answer.body))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_hundred_fields_appear_under_load(engine: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(postgresql_database()) if engine == "postgresql" else ""
        server = stack.enter_context(serve(tmp_path, url, workers=2))
        made = server.call(
            "POST",
            "/api/v1/meta/objects",
            {"name": "project", "label": {"en": "Project"}, "fields": [{"name": "name", "type": "text"}]},
        )
        assert made.status == 201, made.body
        with Crowd(server) as crowd:
            for number in range(LIVE_FIELDS):
                _add_and_use(server, number)
        assert crowd.failed == []
        assert crowd.done > LIVE_FIELDS
        spec = server.call("GET", "/api/openapi.json").body
        assert f"c_field_{LIVE_FIELDS - 1}" in str(spec)


def _add_and_use(server: Server, number: int) -> None:
    name = f"c_field_{number}"
    kind = ("text", "integer", "currency", "date", "boolean")[number % 5]
    value: Any = ("x", 7, "12.50", "2026-03-31", True)[number % 5]
    added = server.call(
        "POST", "/api/v1/meta/objects/c_project/fields", {"name": f"field_{number}", "type": kind}
    )
    assert added.status == 201, added.body
    record = server.call("POST", "/api/v1/records/c_project", {"c_name": f"p{number}", name: value})
    assert record.status == 201, record.body
    assert record.body["data"][name] == value
    for _ in range(4):  # both workers get their turn
        found = server.call(
            "GET", f"/api/v1/records/c_project?fields={name}&filter={name}%20is%20not%20empty&sort={name}"
        )
        assert found.status == 200, found.body
        assert [r[name] for r in found.body["data"]] == [value]
    figures = server.call(
        "POST", "/api/v1/records/c_project/aggregate", {"group": [name], "measures": [{"fn": "count"}]}
    )
    assert figures.status == 200, figures.body
