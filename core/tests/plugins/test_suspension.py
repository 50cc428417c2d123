"""A version of a plugin that ended processes is suspended, for all processes, until it gets a new chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from karvan.access.actors import Actor
from karvan.plugins.accidents import Accident
from karvan.testing import InstallPlugin, make_client
from karvan.worker import deliver
from karvan.workspace import Workspace

MANIFEST = """
schema = 1
id = "wolf"
api = ">=0.1,<1"
name = "Wolf"
summary = "Of the tests."
objects = ["lair.toml"]

[[hooks]]
hook = "check_records"

[[hooks]]
hook = "records_changed"

[[hooks]]
hook = "restrict_records"
objects = ["lair"]
"""
LAIR = 'name = "lair"\n[[fields]]\nname = "name"\ntype = "text"\n'
CODE = """
from karvan_sdk import Rejected, hookimpl

TOLD = []

@hookimpl
def check_records(changes):
    if any(c.values.get("name") == "no" for c in changes):
        raise Rejected("No.")

@hookimpl
def records_changed(events):
    TOLD.extend(events)

@hookimpl
def restrict_records(object):
    return "owner = me()"
"""


@pytest.fixture
def den(workspace: Workspace, admin: Actor, install_plugin: InstallPlugin) -> Workspace:
    folder = install_plugin("wolf", MANIFEST, CODE)
    (folder / "karvan_wolf" / "lair.toml").write_text(LAIR)
    workspace.plugins.enable(admin, "wolf")
    while deliver(workspace):
        pass
    return workspace


def strike(workspace: Workspace, hook: str, version: str = "1.0") -> None:
    why = "The process ended with exit code 7: the plugin ended it."
    workspace.accidents.record(Accident(plugin="wolf", version=version, hook=hook, why=why))
    workspace.catalogs.current()


def state(workspace: Workspace) -> str:
    return workspace.plugins.info("wolf").state


def test_one_accident_in_a_call_is_borne_and_two_suspend(den: Workspace) -> None:
    strike(den, "check_records")
    assert state(den) == "on"
    strike(den, "widget:card")
    assert state(den) == "suspended"
    (problem,) = den.plugins.info("wolf").problems
    assert "it ended a process 2 times, last in 'widget:card'" in problem
    assert "disable and enable it" in problem


def test_one_accident_at_import_suspends(den: Workspace) -> None:
    strike(den, "import")
    assert state(den) == "suspended"
    assert "when it was imported" in den.plugins.info("wolf").problems[0]


def test_a_suspended_plugin_is_not_called_and_its_objects_stay(den: Workspace) -> None:
    client = make_client(den)
    assert client.post("/api/v1/records/lair", json={"name": "no"}).status_code == 422
    strike(den, "import")
    assert client.post("/api/v1/records/lair", json={"name": "no"}).status_code == 201


def test_a_restriction_of_a_suspended_plugin_shows_no_record_more(den: Workspace, admin: Actor) -> None:
    other = den.actors.create_user("bo@example.com", "Bo", "a good password")
    with den.records.write(admin) as writer:
        writer.create("lair", {"name": "the admin's"})
    before = make_client(den, other).get("/api/v1/records/lair").json["data"]
    strike(den, "import")
    assert make_client(den, other).get("/api/v1/records/lair").json["data"] == before == []


def test_events_of_a_suspended_plugin_wait_and_count_no_attempt(den: Workspace, admin: Actor) -> None:
    strike(den, "import")
    with den.records.write(admin) as writer:
        writer.create("lair", {"name": "late"})
    while deliver(den):
        pass
    with den.database.read() as connection:
        rows = connection.fetchall("SELECT state, attempts FROM k_delivery WHERE plugin = 'wolf'")
    assert [tuple(row) for row in rows] == [("waiting", 0)]


def test_another_version_is_a_new_chance(den: Workspace) -> None:
    strike(den, "import", version="0.9")
    assert state(den) == "on"


def test_to_disable_and_enable_it_is_a_new_chance_and_the_record_stays(den: Workspace, admin: Actor) -> None:
    strike(den, "import")
    den.plugins.disable(admin, "wolf")
    den.plugins.enable(admin, "wolf")
    assert den.accidents.suspended() == {}
    assert state(den) == "on"
    assert len(den.accidents.of("wolf")) == 1
    strike(den, "check_records")
    assert state(den) == "on"
    strike(den, "check_records")
    assert state(den) == "suspended"


def test_every_process_sees_it_with_its_next_request(den: Workspace, tmp_path: Path) -> None:
    other = Workspace(den.settings)
    try:
        other.catalogs.current()
        assert state(other) == "on"
        den.accidents.record(Accident(plugin="wolf", version="1.0", hook="import", why="Gone."))
        other.catalogs.current()
        assert state(other) == "suspended"
    finally:
        other.close()
