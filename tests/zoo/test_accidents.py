"""The zoo of accidents: whatever a plugin does, the server answers, the next save is right, and it is said.

One office per engine serves all animals, through `karvan serve` with two workers.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from karvan.testing import postgresql_database
from tests.live import ADMIN, Answer, Browser, Server, run, serve_made
from tests.zoo.animals import (
    CARD_LOOP,
    GATES,
    IMPORTERS,
    MILD,
    OBSERVERS,
    RESTRICTER,
    ROUTES,
    SURFACES,
    put,
    spoil,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("zoo")]
RECORDS = "/api/v1/records/c_ship"
SHIP = {"name": "ship", "label": {"en": "Ship"}, "fields": [{"name": "name", "type": "text"}]}
HEALTH_S = 10.0
"""Within which time every worker must answer after an animal struck."""


@dataclass(frozen=True, kw_only=True)
class Office:
    """A workspace with its animals on the path."""

    home: Path
    url: str
    more: Mapping[str, str]
    codes: dict[str, Path] = field(default_factory=dict)

    def run(self, *words: str, expect: int = 0) -> str:
        return run(self.home, self.url, *words, expect=expect, more=self.more)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with make_office(request.param, tmp_path_factory.mktemp("zoo")) as made:
        yield made


@contextmanager
def make_office(engine: str, place: Path) -> Iterator[Office]:
    """A workspace that is made and not served yet."""
    folder, home = place / "animals", place / "home"
    folder.mkdir()
    home.mkdir()
    more = {
        "KARVAN_DEADLINE_S": "2",
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with database_of(engine) as url:
        made = Office(home=home, url=url, more=more)
        made.run("init", "--bare", "--admin", ADMIN, "--password", "a good password")
        for animal in (*GATES, *MILD, *SURFACES, *OBSERVERS, *IMPORTERS, RESTRICTER, CARD_LOOP):
            made.codes[animal.id] = put(folder, animal)
        yield made


@contextmanager
def database_of(engine: str) -> Iterator[str]:
    if engine == "sqlite":
        yield ""
    else:
        with postgresql_database() as url:
            yield url


@pytest.fixture(scope="module")
def server(office: Office) -> Iterator[Server]:
    """The office, open, with every animal on that strikes at a word."""
    with serve_made(office.home, office.url, more=office.more) as opened:
        assert opened.call("POST", "/api/v1/meta/objects", SHIP).status == 201
        for animal in (*GATES, *MILD, *SURFACES, *OBSERVERS):
            enable(opened, animal.id)
        yield opened


def enable(server: Server, plugin: str) -> None:
    answer = server.call("POST", f"/api/v1/plugins/{plugin}/enable")
    assert answer.status == 200, answer.body


def call(server: Server, method: str, path: str, body: Any = None) -> Answer:
    """One request; status 0 where the connection was cut."""
    try:
        return server.call(method, path, body)
    except OSError:
        return Answer(status=0, headers={}, body=b"")


def check_alive(server: Server) -> None:
    """Within ten seconds every answer comes: several in a row, so that both workers are asked."""
    until = time.monotonic() + HEALTH_S
    good = 0
    while good < 8:
        assert time.monotonic() < until, "the server does not answer"
        good = good + 1 if call(server, "GET", "/health").status == 200 else 0


def check_save(server: Server) -> None:
    """The next save is right."""
    name = f"calm {time.monotonic_ns()}"
    until = time.monotonic() + HEALTH_S
    while (made := call(server, "POST", RECORDS, {"c_name": name})).status != 201:
        assert time.monotonic() < until, made.body
    found = call(server, "GET", f"{RECORDS}/{made.body['data']['id']}")
    assert found.body["data"]["c_name"] == name


def problems_of(server: Server, plugin: str, words: str, *, wait_s: float = 15.0) -> dict[str, Any]:
    """The plugin as the list shows it, once it says these words."""
    until = time.monotonic() + wait_s
    while True:
        answer = call(server, "GET", "/api/v1/plugins")
        found = [p for p in answer.body["data"] if p["id"] == plugin] if answer.status == 200 else []
        if found and words in " ".join(found[0]["problems"]):
            return dict(found[0])
        assert time.monotonic() < until, f"{plugin}: {words!r} is not in {found and found[0]['problems']}"
        time.sleep(0.2)


def is_saved(server: Server, name: str) -> bool:
    found = server.call("GET", f"{RECORDS}?filter=c_name%20%3D%20%22{name}%22")
    return bool(found.body["data"])


# -- in calls ----------------------------------------------------------------------------------------------

WHY = {
    "z_loop": "It took longer than 2 s.",
    "z_c_loop": "held the interpreter",
    "z_exit": "exit code 7",
    "z_segfault": "Segmentation fault",
}


@pytest.mark.parametrize("animal", [a.id for a in GATES])
def test_a_gate_that_ends_its_process_costs_one_worker_and_then_its_plugin(
    server: Server, animal: str
) -> None:
    assert call(server, "POST", RECORDS, {"c_name": animal}).status == 0  # cut, never acknowledged
    check_alive(server)
    check_save(server)
    assert not is_saved(server, animal)
    found = problems_of(server, animal, "A process ended while its code ran in 'check_records'")
    assert WHY[animal] in found["problems"][-1]
    assert "Disable it" in found["problems"][-1]
    assert found["state"] == "on"
    assert call(server, "POST", RECORDS, {"c_name": animal}).status == 0
    check_alive(server)
    found = problems_of(server, animal, "It is suspended: it ended a process 2 times")
    assert found["state"] == "suspended"
    assert call(server, "POST", RECORDS, {"c_name": animal}).status == 201  # it is not asked any more
    check_save(server)


@pytest.mark.parametrize("animal", [a.id for a in MILD])
def test_a_hook_that_fails_within_python_is_left_out_of_the_save(server: Server, animal: str) -> None:
    """Two gigabytes and recursion without end are such failures, too."""
    answer = call(server, "POST", RECORDS, {"c_name": animal})
    assert answer.status == 201, answer.body
    assert answer.body["data"]["c_name"] == animal
    check_alive(server)
    check_save(server)


@pytest.mark.parametrize("animal", sorted(ROUTES))
def test_a_route_that_fails_is_the_only_thing_that_fails(server: Server, animal: str) -> None:
    answer = call(server, "GET", f"/api/x/{animal}/")
    is_deadly = animal in ("z_route_loop", "z_route_exit")
    assert answer.status == (0 if is_deadly else 500), answer.body
    check_alive(server)
    check_save(server)
    if is_deadly:
        problems_of(server, animal, "A process ended while its code ran in 'route:/'")
    else:
        assert animal in answer.body["detail"]


def test_a_widget_that_loops_is_suspended_and_the_others_are_drawn(server: Server) -> None:
    enable(server, CARD_LOOP.id)
    browser = Browser(server, ADMIN)
    for _ in range(2):
        with pytest.raises(OSError, match=r"closed|reset"):
            draw(browser)
        check_alive(server)
    problems_of(server, CARD_LOOP.id, "It is suspended: it ended a process 2 times, last in 'widget:card'")
    assert "This widget could not be shown" in draw(browser)  # of the others, too, which only raise
    assert "It is suspended" in browser.get(f"/settings/plugins/{CARD_LOOP.id}")
    check_save(server)


def draw(browser: Browser) -> str:
    """Ask for the widgets of the home page, as the page itself does."""
    (slot,) = re.findall(r'hx-get="(/_w\?[^"]*dashboard.grid[^"]*)"', browser.get("/"))
    return browser.get(slot.replace("&amp;", "&"))


def test_an_observer_that_ends_its_worker_holds_nobody_up(server: Server) -> None:
    assert call(server, "POST", RECORDS, {"c_name": "z_tell"}).status == 201
    problems_of(server, "z_tell", "A process ended while its code ran in 'records_changed'")
    check_alive(server)
    check_save(server)


def test_an_observer_that_loops_is_ended_by_the_clock_of_events(server: Server) -> None:
    assert call(server, "POST", RECORDS, {"c_name": "z_tell_loop"}).status == 201
    check_alive(server)
    check_save(server)
    problems_of(server, "z_tell_loop", "It took longer than 30 s.", wait_s=60)


# -- at import ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("animal", ["z_import_raise", "z_import_syntax"])
def test_code_that_can_not_be_imported_is_not_enabled(office: Office, server: Server, animal: str) -> None:
    """As long as it is off; the good code comes back afterwards."""
    code = office.codes[animal]
    good = code.read_text()
    spoil(office.codes, next(a for a in IMPORTERS if a.id == animal))
    try:
        answer = call(server, "POST", f"/api/v1/plugins/{animal}/enable")
        assert answer.status == 409, answer.body
        assert "can't be imported" in answer.body["detail"]
    finally:
        code.write_text(good)
    check_alive(server)
    check_save(server)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_code_that_went_bad_after_it_was_enabled_is_suspended_at_the_next_start(
    engine: str, tmp_path: Path
) -> None:
    """The office closes, the files of enabled plugins go bad, the office opens."""
    with make_office(engine, tmp_path) as office:
        with serve_made(office.home, office.url, more=office.more) as server:
            assert server.call("POST", "/api/v1/meta/objects", SHIP).status == 201
            for animal in (*IMPORTERS, RESTRICTER):
                enable(server, animal.id)
        for animal in (*IMPORTERS, RESTRICTER):
            spoil(office.codes, animal)
        with serve_made(office.home, office.url, more=office.more) as server:
            check_suspended(server)
        with serve_made(office.home, office.url, more={**office.more, "KARVAN_SAFE_MODE": "1"}) as server:
            assert server.call("GET", "/health").body == {"status": "ok", "safe_mode": True}
            check_save(server)
        check_the_way_out(office)


def check_suspended(server: Server) -> None:
    """Each lethal animal is named with what it did, the rest goes on."""
    for animal, words in {
        "z_import_crash": "Segmentation fault",
        "z_import_exit": "exit code 7",
        "z_import_loop": "It took longer than 2 s.",
    }.items():
        found = problems_of(server, animal, "It is suspended: it ended a process when it was imported")
        assert words in found["problems"][0]
        assert found["state"] == "suspended"
    for animal in ("z_import_raise", "z_import_syntax"):
        assert problems_of(server, animal, "can't be imported")["state"] == "failed"
    problems_of(server, RESTRICTER.id, "It is suspended: it ended a process 2 times")
    check_alive(server)
    check_save(server)


def check_the_way_out(office: Office) -> None:
    """The commands about plugins import none, so each animal can be disabled while it is deadly."""
    for animal in (*IMPORTERS, RESTRICTER):
        office.run("plugins", "disable", animal.id)
    with serve_made(office.home, office.url, more=office.more) as server:
        assert server.call("GET", "/health").body == {"status": "ok", "safe_mode": False}
        check_save(server)
